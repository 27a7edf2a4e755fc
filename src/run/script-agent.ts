import { assert } from "../base/assert.ts";
import type { BlobRef } from "../contract/event.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Model } from "../model/model.ts";
import type { ClosedFile, RunFile } from "../sandbox/sandbox.ts";
import { scriptFileNames } from "../sandbox/sandbox.ts";
import { type AgentScript, agentScript } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import type { End } from "./next-step.ts";
import { callModel } from "./program.ts";
import type { CallState, RunState } from "./state.ts";

type Agent = NonNullable<RunSnapshot["agent"]>;

/** The agent of a run that is a script; undefined: a model works in it, or a program of an artifact. */
export function scriptAgentOf({ agent }: RunSnapshot): Agent | undefined {
  return agent?.execution_mode === "script" ? agent : undefined;
}

/** What stands in the place of a model: it asks for the start of the script, and for nothing else. */
export function scriptModel({ script_entry, credential_env = [] }: Agent): Model {
  const secrets = credential_env.length > 0 ? { credential_env } : {};
  return callModel("script", {
    tool: agentScript.name,
    arguments: { entry: script_entry ?? "", ...secrets },
  });
}

/** The script of a run with what it is given; undefined: the run is none. */
export function agentScriptOf(state: RunState): AgentScript | undefined {
  const { snapshot } = state;
  const agent = scriptAgentOf(snapshot);
  if (agent === undefined) return undefined;
  const files = (agent.files ?? []).map(({ path }) => path);
  return { entry: agent.script_entry ?? "", files, input: inputOf(snapshot), meta: metaOf(state) };
}

/** The files of the agent, by the names that it finds them under. */
export function agentFilesOf({ agent }: RunSnapshot): { name: string; sha256: string }[] {
  return (agent?.files ?? []).map(({ path, sha256 }) => ({ name: path, sha256 }));
}

/** Its folder as it is placed. Whatever bits the files had: what is named as its entry is to be started. */
export function agentFolderOf({ blobs, ledger }: Drive): ClosedFile[] | undefined {
  const agent = scriptAgentOf(ledger.state.snapshot);
  return agent?.files?.map(({ path, sha256, executable }) => ({
    ...{ path, sha256 },
    executable: executable || path === agent.script_entry,
    read: async () => [await blobs.get(sha256)],
  }));
}

/** What the script reads its input and what is known of the run from. */
export function scriptFiles(state: RunState): RunFile[] {
  const script = agentScriptOf(state);
  if (script === undefined) return [];
  return [
    { name: scriptFileNames.input, data: Buffer.from(script.input) },
    { name: scriptFileNames.meta, data: Buffer.from(script.meta) },
  ];
}

/** A text as it was said, and everything else as JSON. */
function inputOf({ input = "", prompt }: RunSnapshot): string {
  if (typeof input !== "string") return JSON.stringify(input);
  return input === "" ? prompt.join("\n\n") : input;
}

/** What whoever started the run said about it, and below `airlock` what the gateway knows: nobody can say that. */
function metaOf({ runId, rootRunId, parent, snapshot }: RunState): string {
  const { agent, metadata } = snapshot;
  const airlock = {
    ...{ run_id: runId, root_run_id: rootRunId, parent_run_id: parent?.run_id ?? null },
    ...{ agent_id: agent?.id ?? null, revision: agent?.revision ?? null },
  };
  return JSON.stringify({ ...metadata, airlock });
}

/** How much of what the script said last on stderr is the reason of the end. */
const reasonChars = 2000;

/** A run that is a script ends as its script did. */
export function afterScript({ finished }: CallState): End {
  assert(finished, "the call has an end");
  const { ok, exit_code, message, stderr } = (finished.result ?? {}) as Record<string, unknown>;
  if (ok === true) return { status: "succeeded", stop_reason: "end_turn" };
  return { status: "failed", stop_reason: "program_failed", message: reasonOf() };

  function reasonOf(): string {
    if (finished?.outcome === "interrupted") {
      return "The gateway stopped while the script was running: it is not started again, because it may have had effects";
    }
    const said = endOf(stderr as string | BlobRef | undefined);
    const what =
      typeof message === "string"
        ? message
        : `The script ended with exit code ${typeof exit_code === "number" ? exit_code : "unknown"}`;
    return said === "" ? what : `${what}: ${said}`;
  }
}

function endOf(text: string | BlobRef | undefined): string {
  if (text === undefined) return "";
  const whole = (typeof text === "string" ? text : text.head).trim();
  return whole.length <= reasonChars ? whole : `…${whole.slice(-reasonChars)}`;
}
