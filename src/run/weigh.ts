import type { Analysed } from "../analysis/analysis.ts";
import { contentView } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import { Problem } from "../contract/problem.ts";
import { isEnd } from "../contract/run.ts";
import { type Decision, decide } from "../policy/policy.ts";
import type { Wanted, WantedCode } from "../tools/tools.ts";
import { lookOf } from "./code-look.ts";
import { codeNeed } from "./code-need.ts";
import type { Drive } from "./drive.ts";
import { agentFilesOf } from "./script-agent.ts";

const noneFound: Analysed = { command: null, findings: [] };

/** What a call wants, what its code would do, and what the policy says to it. */
export interface Weighed {
  wanted: Wanted | null;
  analysed: Analysed;
  decision: Decision;
  /** The artifact in which it runs, when it names one that is there. */
  artifact: Artifact | undefined;
}

/** Asks the policy once for one call (I5): everything that it says is written down by the caller. */
export async function weigh(drive: Drive, wanted: Wanted | null, callId: string): Promise<Weighed> {
  if (wanted === null) return { wanted, analysed: noneFound, decision: free, artifact: undefined };
  if (wanted.type !== "CodeExecution") {
    const need = await counted(drive, await named(drive, wanted), callId);
    const decision = decide(need, drive.power);
    return { wanted, analysed: noneFound, decision, artifact: undefined };
  }
  const artifact = await artifactOf(drive, wanted.artifact);
  const analysed = await analyse(drive, wanted, artifact);
  const need = codeNeed(wanted, analysed, drive.packageHosts);
  return { wanted, analysed, decision: decide(need, drive.power), artifact };
}

/** What every agent may. */
const free: Decision = {
  ...{ decision: "allow", rule: "Needs no capability" },
  ...{ reasons: [], hosts: [], askedHosts: [] },
};

/** One that is not what it was is found out by the tool, which runs nothing of it and says what is wrong. */
async function artifactOf(
  { store, workspaceId, rootRunId }: Drive,
  name: string | null,
): Promise<Artifact | undefined> {
  if (name === null) return undefined;
  try {
    return await store.artifacts.get(workspaceId, name, rootRunId);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

async function analyse(
  drive: Drive,
  { command, artifact: name, entrypoint, args, isOwnScript }: WantedCode,
  artifact: Artifact | undefined,
): Promise<Analysed> {
  if (isOwnScript && entrypoint !== null) {
    const files = agentFilesOf(drive.ledger.state.snapshot);
    // Nobody is asked about what is not there: the call says so.
    if (!files.some(({ name: own }) => own === entrypoint)) return noneFound;
    const look = await lookOf(drive, files);
    return drive.analysis.program(entrypoint, args, look);
  }
  const look = await lookOf(drive, name === null ? undefined : (artifact?.files ?? []));
  if (command !== null) return drive.analysis.command(command, look);
  if (entrypoint === null || artifact === undefined) return noneFound;
  return drive.analysis.program(entrypoint, args, look);
}

/**
 * How many tasks of the run would be at work, with the one that the call would make: looked up, so that neither a crash nor
 * another worker changes it. The call's own task, of when it was made before, does not count twice.
 */
async function counted<T extends Wanted>(drive: Drive, wanted: T, callId: string): Promise<T> {
  if (wanted.type !== "AgentSpawn" || wanted.agent === null) return wanted;
  const tasks = await drive.store.runs.tasks(drive.workspaceId, drive.runId);
  const others = tasks.filter((task) => !isEnd(task.status) && task.callId !== callId);
  return { ...wanted, children: others.length + 1 };
}

/** A scope is about names: a handle or an alias is the name that it stands for. */
async function named<T extends Wanted>(drive: Drive, wanted: T): Promise<T> {
  if (wanted.type !== "ReadAccess" || wanted.name === null) return wanted;
  const view = contentView(await drive.store.files.content(drive.rootRunId), drive.runId);
  const found = view.find(wanted.name);
  return found.type === "found" ? { ...wanted, name: found.content.name } : wanted;
}
