import { canonicalJson } from "../base/canonical-json.ts";
import type { NewEvent } from "../contract/event.ts";
import type { Tool } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";
import { scriptAgentOf } from "./script-agent.ts";

/**
 * Captures the run's outputs after a call that may have changed them, as an event beside the call's end: a snapshot that
 * is served while the run goes on and survives whatever ends it. Nothing when nothing changed, and nothing of a script, after
 * whose only call the run ends.
 */
export async function captureBetweenCalls(drive: Drive, tool: Tool): Promise<NewEvent[]> {
  if (tool.capability !== "CodeExecution" || scriptAgentOf(drive.ledger.state.snapshot)) return [];
  const event = await capture(drive, true);
  return event === undefined ? [] : [event];
}

/** Captures the outputs for good. Undefined when the run asked for none, or never had a place to put them. */
export async function captureAtEnd(drive: Drive): Promise<NewEvent | undefined> {
  if (!drive.ledger.state.provisioned) return undefined;
  return capture(drive, false);
}

async function capture(drive: Drive, partial: boolean): Promise<NewEvent | undefined> {
  const { snapshot, captured } = drive.ledger.state;
  const outputDirs = snapshot.outputDirs ?? [];
  if (outputDirs.length === 0) return undefined;
  const { outputs, missing } = await drive.captureOutputs({
    roots: await openPlace(drive),
    outputDirs,
    previous: captured?.outputs ?? [],
    signal: drive.stopping,
  });
  const data = { partial, outputs, missing };
  const same = captured !== undefined && canonicalJson(captured) === canonicalJson(data);
  return same ? undefined : { type: "outputs.captured", data };
}
