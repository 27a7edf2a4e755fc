import { isUtf8 } from "node:buffer";
import { limits } from "../base/limits.ts";
import type { Blobs } from "../content/content.ts";
import type { AgentFile, AgentProblem } from "../contract/installed-agent.ts";
import type { AgentManifest } from "../contract/manifest.ts";
import { Problem } from "../contract/problem.ts";
import type { PlacedFile } from "../contract/submission.ts";
import { agentInvalid } from "./fault.ts";
import { type ParsedAgent, parseAgent } from "./parse-agent.ts";
import type { AgentFileHead } from "./script-entry.ts";

export interface FolderOptions {
  /** Refuses hosts that nobody can mean; it throws an `invalid_request` that says which and why. */
  checkHosts: (hosts: readonly string[]) => void;
  /** The same for the address of a server. */
  checkUrl: (field: string, url: string) => void;
}

const headBytes = 4096;

export const skillName = "SKILL.md";

export interface Folder extends ParsedAgent {
  skill: { sha256: string; bytes: number };
  /** Beside SKILL.md, in order of their paths. */
  files: AgentFile[];
}

/**
 * Reads the folder of an agent, whose bytes are blobs already. Throws `agent_invalid` with every problem, and
 * `payload_too_large`.
 */
export async function readFolder(
  blobs: Blobs,
  all: readonly PlacedFile[],
  options: FolderOptions,
): Promise<Folder> {
  checkSize(all);
  const skill = all.find(({ path }) => path === skillName);
  if (skill === undefined) throw withoutSkill(all);
  const bytes = await blobs.get(skill.sha256);
  if (!isUtf8(bytes)) throw invalid(skillName, "SKILL.md is no UTF-8", "Save it as UTF-8");
  const files = all
    .filter((file) => file !== skill)
    .map(({ path, sha256, bytes: size, executable }) => ({ path, sha256, bytes: size, executable }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const heads = await Promise.all(files.map((file) => headOf(blobs, file)));
  const read = parseAgent({ skill: bytes.toString("utf8"), files: heads });
  checkReach(read.manifest, options);
  return { ...read, skill: { sha256: skill.sha256, bytes: skill.bytes }, files };
}

/** Only as much as says what starts it; none of them is large. */
async function headOf(
  blobs: Blobs,
  { path, executable, sha256 }: AgentFile,
): Promise<AgentFileHead> {
  const bytes = await blobs.get(sha256);
  return { path, executable, firstBytes: bytes.subarray(0, headBytes) };
}

function checkSize(all: readonly PlacedFile[]): void {
  if (all.length > limits.agentFiles) {
    const found = `files: ${all.length} files; expected at most ${limits.agentFiles}`;
    throw new Problem("payload_too_large", found, { maxFiles: limits.agentFiles });
  }
  const bytes = all.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > limits.agentBytes) {
    const found = `files: ${bytes} bytes together; expected at most ${limits.agentBytes}`;
    throw new Problem("payload_too_large", found, { maxBytes: limits.agentBytes });
  }
}

function withoutSkill(all: readonly PlacedFile[]): Problem {
  const near = all.find(({ path }) => /(^|\/)skill\.md$/i.test(path));
  const remedy =
    near === undefined
      ? "Add a SKILL.md: a manifest in YAML between two lines ---, and the agent's instructions below"
      : `There is ${JSON.stringify(near.path)}: expected ${skillName} at the top of the folder`;
  return invalid(skillName, "The folder has no SKILL.md", remedy);
}

/** What egress would never connect to: said now, and not to the first run. Every place of it, at once. */
function checkReach(
  { capabilities, mcp_servers = [] }: AgentManifest,
  { checkHosts, checkUrl }: FolderOptions,
): void {
  const problems: AgentProblem[] = [];
  const check = (path: string, remedy: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push({ line: null, column: null, path, message: error.message, remedy });
    }
  };
  for (const [index, capability] of capabilities.entries()) {
    if (capability.type !== "NetworkAccess") continue;
    const path = `capabilities.${index}.hosts`;
    check(path, "Name hosts that can be reached", () => checkHosts(capability.hosts));
  }
  for (const [index, { url }] of mcp_servers.entries()) {
    const path = `mcp_servers.${index}.url`;
    check(path, "Name a server that can be reached", () => checkUrl(path, url));
  }
  if (problems.length > 0) throw agentInvalid(problems);
}

function invalid(path: string, message: string, remedy: string): Problem {
  return agentInvalid([{ line: null, column: null, path, message, remedy }]);
}
