import { isUtf8 } from "node:buffer";
import type { Dirent } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../base/limits.ts";
import { agentInvalid } from "./fault.ts";

/** An agent as it lies on a disk. */
export interface AgentOnDisk {
  skill: Buffer;
  /** Beside `SKILL.md`, by path. */
  files: FolderFile[];
}

export interface FolderFile {
  path: string;
  executable: boolean;
  bytes: Buffer;
}

/** What tools leave in a folder, and nobody means to install. */
const leftBehind = new Set(["node_modules", "__pycache__"]);

/**
 * Reads the folder of an agent: `SKILL.md` and every file below, without hidden ones and what tools leave behind. Throws
 * `agent_invalid` when there is no `SKILL.md`, a symbolic link or another thing that is no file, or too much.
 */
export async function readAgentFolder(folder: string): Promise<AgentOnDisk> {
  const files: FolderFile[] = [];
  let total = 0;
  const visit = async (below: string) => {
    const entries = await readdir(join(folder, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".") || leftBehind.has(entry.name)) continue;
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        await visit(path);
        continue;
      }
      if (!entry.isFile()) throw notAFile(path, entry);
      const { mode, size } = await lstat(join(folder, path));
      total += size;
      if (files.length > limits.agentFiles || total > limits.agentBytes) throw tooMuch(path);
      const bytes = await readFile(join(folder, path));
      files.push({ path, executable: (mode & 0o111) !== 0, bytes });
    }
  };
  await visit("");
  const skill = files.find(({ path }) => path === "SKILL.md");
  if (skill === undefined) {
    throw invalid(
      "SKILL.md",
      "There is no SKILL.md in the folder",
      "Write one: airlock agents init",
    );
  }
  if (!isUtf8(skill.bytes)) {
    throw invalid("SKILL.md", "SKILL.md is no UTF-8", "Save it as UTF-8");
  }
  return {
    skill: skill.bytes,
    files: files.filter((file) => file !== skill),
  };
}

function notAFile(path: string, entry: Dirent): Error {
  const kind = entry.isSymbolicLink() ? "a symbolic link" : "no ordinary file";
  return invalid(path, `${JSON.stringify(path)} is ${kind}`, "Put a copy of the file there");
}

function tooMuch(path: string): Error {
  const most = `${limits.agentFiles} files and ${limits.agentBytes / 1024 ** 2} MiB`;
  const message = `With ${JSON.stringify(path)} the folder is more than an agent may have`;
  return invalid(path, message, `Keep it within ${most}; what a run needs belongs in artifacts`);
}

function invalid(path: string, message: string, remedy: string): Error {
  return agentInvalid([{ line: null, column: null, path, message, remedy }]);
}
