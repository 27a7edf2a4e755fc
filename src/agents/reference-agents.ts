import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Problem } from "../contract/problem.ts";
import { type FolderFile, readAgentFolder } from "./agent-folder.ts";
import { type ParsedAgent, parseAgent } from "./parse-agent.ts";
import { revisionDigest } from "./revision.ts";

/** An agent that was read from its folder. */
export interface LoadedAgent extends ParsedAgent {
  skill: Buffer;
  files: FolderFile[];
  /** The digest of all of it. */
  revision: string;
}

/** The same relative path holds from `src/` and from `dist/`. */
export const referenceAgentsDir = fileURLToPath(new URL("../../agents", import.meta.url));

/** Reads and checks one folder. Throws `agent_invalid`. */
export async function loadAgent(folder: string): Promise<LoadedAgent> {
  const { skill, files } = await readAgentFolder(folder);
  const parsed = parseAgent({
    skill: new TextDecoder().decode(skill),
    files: files.map(({ bytes, ...file }) => ({ ...file, firstBytes: bytes.subarray(0, 512) })),
  });
  const named = files.map(({ bytes, path, executable }) => {
    const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return { path, executable, sha256 };
  });
  return { ...parsed, skill, files, revision: revisionDigest({ skill, files: named }) };
}

/**
 * The agents that come with the gateway, by id: a folder of its own for each, named by its id. Throws when one is wrong:
 * a gateway that starts without its planner would be found out only by its users.
 */
export async function loadReferenceAgents(folder = referenceAgentsDir): Promise<LoadedAgent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return await Promise.all(names.sort().map((name) => loadOne(join(folder, name), name)));
}

async function loadOne(folder: string, name: string): Promise<LoadedAgent> {
  let agent: LoadedAgent;
  try {
    agent = await loadAgent(folder);
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw new Error(`The reference agent in ${folder} is wrong: ${cause.message}`, { cause });
  }
  const { id } = agent.manifest.agent;
  if (id === name) return agent;
  throw new Error(`The reference agent in ${folder} has the id ${JSON.stringify(id)}`);
}
