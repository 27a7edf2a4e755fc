import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalJson } from "../base/canonical-json.ts";
import { walkTree } from "../base/tree.ts";
import { agentMount } from "./agent-folder.ts";
import { bundleLinks } from "./bundle-mounts.ts";
import { etcDirectories, etcFiles } from "./host-layout.ts";
import { runFileNames, runFilesPath } from "./run-files.ts";
import { agentPath } from "./sandbox.ts";

/** Programs that the host does not have below `/usr` and that we bring along. */
export interface Provided {
  npm: boolean;
  /** The `python3` that a `python` of ours leads to. */
  python: string | undefined;
}

type Entry =
  | { path: string; data: Buffer; mode: number }
  | { path: string; target: string }
  | { path: string; node: string; size: number };

const source = fileURLToPath(new URL("../../runtime", import.meta.url));

/**
 * Puts what is mounted at `/airlock` (and the made-up `/etc`) below the data directory, under a
 * name that is the digest of its contents, and returns the path. It must be there because a run's
 * uid can reach nothing else of ours. A copy that is already there is compared first, and made
 * again when it differs. Node itself is known by its version, size and time, and linked where that
 * is possible: it is 150 MB.
 */
export function stageRuntime(dataDir: string, provided: Provided): string {
  const parent = join(dataDir, "runtime");
  mkdirSync(parent, { recursive: true });
  chmodSync(parent, 0o755);
  for (const name of readdirSync(parent)) {
    if (isLeftover(join(parent, name))) rmSync(join(parent, name), { recursive: true });
  }
  return stageEntries(parent, [...ownEntries(), ...providedEntries(provided)]);
}

/**
 * Puts files where a run's uid can read them, below the data directory and under the digest of their content, and returns
 * the directory. Paths are relative.
 */
export function stageFiles(
  dataDir: string,
  files: readonly { path: string; data: Buffer }[],
): string {
  const entries = files.map(({ path, data }) => ({ path, data, mode: 0o444 }));
  return stageEntries(join(dataDir, "runtime"), entries);
}

function stageEntries(parent: string, entries: Entry[]): string {
  const target = join(parent, digestOf(entries));
  if (existsSync(target) && entries.every((entry) => isStaged(target, entry))) return target;
  const staging = join(parent, `staging-${randomUUID()}`);
  makeDirectories(staging, entries);
  for (const entry of entries) stageEntry(staging, entry);
  if (existsSync(target)) renameSync(target, join(parent, `staging-broken-${randomUUID()}`));
  renameSync(staging, target);
  return target;
}

/** Half made, and by nobody who could still be at it. */
function isLeftover(path: string): boolean {
  const { mtimeMs } = statSync(path);
  return basename(path).startsWith("staging-") && Date.now() - mtimeMs > 3_600_000;
}

function ownEntries(): Entry[] {
  const entries = readTree(source, "");
  const mountPoints = etcFiles.map((path) => ({
    path: path.slice(1),
    data: Buffer.alloc(0),
    mode: 0o444,
  }));
  const links = [
    ...bundleLinks,
    ...runFileNames.map((path) => ({ path, target: `${runFilesPath}/${path}` })),
  ];
  // The same program under the name that code for another gateway knows.
  return [
    ...[...entries, ...mountPoints, ...links],
    { path: "antpath", target: "airlock" },
    { path: basename(agentPath), target: agentMount },
  ];
}

function providedEntries(provided: Provided): Entry[] {
  const size = statSync(process.execPath).size;
  const entries: Entry[] = [{ path: "bin/node", node: process.execPath, size }];
  if (provided.python !== undefined) entries.push({ path: "bin/python", target: provided.python });
  if (provided.npm) {
    const npm = dirname(createRequire(import.meta.url).resolve("npm/package.json"));
    entries.push(...readTree(npm, "lib/npm/"));
    for (const name of ["npm", "npx"]) {
      const script = `#!/bin/sh\nexec /airlock/bin/node /airlock/lib/npm/bin/${name}-cli.js "$@"\n`;
      entries.push({ path: `bin/${name}`, data: Buffer.from(script), mode: 0o555 });
    }
  }
  return entries;
}

/**
 * Our own files, with the two modes that a run needs; whatever they had in the package does not
 * matter.
 */
function readTree(root: string, prefix: string): Entry[] {
  const entries: Entry[] = [];
  for (const entry of walkTree(root)) {
    const path = prefix + entry.path.toString("utf8");
    if (entry.type === "symlink") entries.push({ path, target: entry.readLink().toString("utf8") });
    if (entry.type !== "file") continue;
    const fd = entry.open();
    try {
      const data = readFileSync(fd);
      // An unpacked package may have lost its executable bits; a script says itself that it is one.
      const executable = (entry.mode & 0o111) !== 0 || data.subarray(0, 2).toString() === "#!";
      entries.push({ path, data, mode: executable ? 0o555 : 0o444 });
    } finally {
      closeSync(fd);
    }
  }
  return entries;
}

function digestOf(entries: Entry[]): string {
  const described = entries.map((entry) => {
    if ("target" in entry) return entry;
    if ("data" in entry) return { ...entry, data: entry.data.toString("base64") };
    const changed = String(statSync(entry.node, { bigint: true }).mtimeNs);
    return { ...entry, version: process.version, arch: process.arch, changed };
  });
  return createHash("sha256").update(canonicalJson(described)).digest("hex").slice(0, 32);
}

function isStaged(root: string, entry: Entry): boolean {
  const path = join(root, entry.path);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if ("target" in entry)
    return stats?.isSymbolicLink() === true && readlinkSync(path) === entry.target;
  if (!stats?.isFile()) return false;
  if ("node" in entry) return stats.size === entry.size && (stats.mode & 0o005) === 0o005;
  return (stats.mode & 0o777) === entry.mode && readFileSync(path).equals(entry.data);
}

function makeDirectories(root: string, entries: Entry[]): void {
  const wanted = new Set(["", ...etcDirectories.map((path) => path.slice(1))]);
  for (const { path } of entries) wanted.add(dirname(path));
  for (const path of [...wanted].sort()) mkdirSync(join(root, path), { recursive: true });
  // Set afterwards and one by one, because the umask takes bits away from what mkdir makes.
  chmodSync(root, 0o755);
  for (const entry of walkTree(root)) {
    if (entry.type === "directory") chmodSync(join(root, entry.path.toString("utf8")), 0o755);
  }
}

function stageEntry(root: string, entry: Entry): void {
  const path = join(root, entry.path);
  if ("target" in entry) symlinkSync(entry.target, path);
  else if ("node" in entry) stageNode(entry.node, path);
  else {
    writeFileSync(path, entry.data);
    seal(path, entry.mode);
  }
}

/**
 * Linked when everybody may run the original and only its owner may change it; copied
 * otherwise.
 */
function stageNode(original: string, path: string): void {
  const stats = statSync(original);
  const trusted = stats.uid === 0 || stats.uid === process.getuid?.();
  if (trusted && (stats.mode & 0o7777) === 0o755) {
    try {
      linkSync(original, path);
      return;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!["EXDEV", "EPERM", "EMLINK", "EACCES"].includes(code)) throw error;
    }
  }
  copyFileSync(original, path, constants.COPYFILE_FICLONE);
  seal(path, 0o555);
}

function seal(path: string, mode: number): void {
  chmodSync(path, mode);
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
