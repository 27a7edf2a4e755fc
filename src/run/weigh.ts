import type { Analysed } from "../analysis/analysis.ts";
import { contentView } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import { Problem } from "../contract/problem.ts";
import { type Decision, decide } from "../policy/policy.ts";
import type { Wanted, WantedCode } from "../tools/tools.ts";
import { lookOf } from "./code-look.ts";
import { codeNeed } from "./code-need.ts";
import type { Drive } from "./drive.ts";

const noneFound: Analysed = { command: null, findings: [] };

/** What a call wants, what its code would do, and what the policy says to it. */
export interface Weighed {
  wanted: Wanted;
  analysed: Analysed;
  decision: Decision;
  /** The artifact in which it runs, when it names one that is there. */
  artifact: Artifact | undefined;
}

/** Asks the policy once for one call (I5): everything that it says is written down by the caller. */
export async function weigh(drive: Drive, wanted: Wanted): Promise<Weighed> {
  if (wanted.type !== "CodeExecution") {
    const decision = decide(await named(drive, wanted), drive.power);
    return { wanted, analysed: noneFound, decision, artifact: undefined };
  }
  const artifact = await artifactOf(drive, wanted.artifact);
  const analysed = await analyse(drive, wanted, artifact);
  const need = codeNeed(wanted, analysed, drive.packageHosts);
  return { wanted, analysed, decision: decide(need, drive.power), artifact };
}

/** One that is not what it was is found out by the tool, which runs nothing of it and says what is wrong. */
async function artifactOf(
  { store, workspaceId, runId }: Drive,
  name: string | null,
): Promise<Artifact | undefined> {
  if (name === null) return undefined;
  try {
    return await store.artifacts.get(workspaceId, name, runId);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

async function analyse(
  drive: Drive,
  { command, artifact: name, entrypoint, args }: WantedCode,
  artifact: Artifact | undefined,
): Promise<Analysed> {
  const look = await lookOf(drive, name === null ? undefined : (artifact?.files ?? []));
  if (command !== null) return drive.analysis.command(command, look);
  if (entrypoint === null || artifact === undefined) return noneFound;
  return drive.analysis.program(entrypoint, args, look);
}

/** A scope is about names: a handle or an alias is the name that it stands for. */
async function named<T extends Wanted>(drive: Drive, wanted: T): Promise<T> {
  if (wanted.type !== "ReadAccess" || wanted.name === null) return wanted;
  const view = contentView(await drive.store.files.content(drive.runId), drive.runId);
  const found = view.find(wanted.name);
  return found.type === "found" ? { ...wanted, name: found.content.name } : wanted;
}
