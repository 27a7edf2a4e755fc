import { z } from "zod";
import { Digest } from "./ids.ts";

/**
 * A bundle: files under relative paths, named by what is in them. A skill is one with a `SKILL.md`, an `AGENTS.md` alone is
 * instructions, and any other is files. The client packs it, the gateway unpacks it and computes its `contentHash` anew.
 */
export const bundleKinds = ["skill", "agents_md", "file"] as const;
export type BundleKind = (typeof bundleKinds)[number];

export const bundleLimits = {
  /** Of the zip in which it travels. */
  packedBytes: 10 * 1024 * 1024,
  /** Of its files together, and so of each. */
  bytes: 50 * 1024 * 1024,
  files: 1000,
  /** Segments of a path. */
  depth: 16,
  pathBytes: 512,
} as const;

/** The file that makes a bundle a skill, and the one that makes it instructions; at the root, in this spelling. */
export const skillFile = "SKILL.md";
export const agentsFile = "AGENTS.md";

export const BundleName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,127}$/,
    "expected lower-case letters, digits, - and _, at most 128, the first a letter or digit",
  )
  .meta({ id: "BundleName" });

/**
 * What is wrong with a path inside a bundle, in words, or undefined. Relative, `/` between segments, no empty, `.` or `..`
 * segment, no backslash, drive letter, control character or half of a character; at most 512 bytes and 16 segments of at
 * most 255 bytes each.
 */
export function bundlePathProblem(path: unknown): string | undefined {
  if (typeof path !== "string") return "must be a string";
  if (path.trim() === "") return "must not be empty";
  if (path.includes("\0")) return "must not contain NUL";
  if (/[\x01-\x1f\x7f]/.test(path)) return "must not contain control characters";
  if (path.includes("\\")) return "must not contain a backslash; expected / between segments";
  if (/^[A-Za-z]:/.test(path)) return "must not start with a drive letter";
  if (path.startsWith("/")) return "must be relative, without a / at its start";
  if (path.endsWith("/")) return "must name a file, without a / at its end";
  if (!path.isWellFormed()) return "must be well-formed text";
  const bytes = new TextEncoder();
  if (bytes.encode(path).length > bundleLimits.pathBytes) {
    return `exceeds ${bundleLimits.pathBytes} bytes`;
  }
  const segments = path.split("/");
  if (segments.length > bundleLimits.depth) return `has more than ${bundleLimits.depth} segments`;
  for (const segment of segments) {
    if (segment === "") return "must not contain an empty segment";
    if (segment === "." || segment === "..") return `must not contain a '${segment}' segment`;
    if (bytes.encode(segment).length > 255) return "has a segment longer than 255 bytes";
  }
  return undefined;
}

/** A mode as a bundle keeps it: 0755 when exactly that, else 0644. Set-uid, sticky and write bits never travel. */
export function bundleMode(mode: number): 0o644 | 0o755 {
  return (mode & 0o777) === 0o755 ? 0o755 : 0o644;
}

/** One file of a bundle. */
export interface BundleEntry {
  path: string;
  mode: 0o644 | 0o755;
  size: number;
  /** `sha256:` and 64 hex digits. */
  sha256: string;
}

export interface BundleProblem {
  path: string | null;
  message: string;
}

/**
 * What is wrong with a bundle of a kind, in words: no file, too many, too large, a path that cannot be, twice the same path
 * (also where only case or Unicode form differ: such files would be one on many systems), a file below a file, or without
 * the file that makes its kind. Empty: it is good.
 */
export function bundleProblems(
  kind: BundleKind,
  entries: readonly Pick<BundleEntry, "path" | "size">[],
): BundleProblem[] {
  const problems: BundleProblem[] = [];
  const folded = new Map<string, string>();
  let bytes = 0;
  for (const { path, size } of entries) {
    const wrong = bundlePathProblem(path);
    if (wrong !== undefined) {
      problems.push({ path: String(path), message: wrong });
      continue;
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      problems.push({ path, message: `has ${size} bytes; expected a whole number from 0` });
      continue;
    }
    bytes += size;
    const same = folded.get(foldPath(path));
    if (same !== undefined) {
      const message =
        same === path ? "is there twice" : `is the same file as ${same} on some systems`;
      problems.push({ path, message });
    }
    folded.set(foldPath(path), path);
  }
  // What has no path of a bundle was told of above: one of ten thousand segments would be looked up ten thousand times.
  for (const path of folded.values()) {
    const above = path.split("/").slice(0, -1);
    for (let length = above.length; length > 0; length--) {
      const file = folded.get(foldPath(above.slice(0, length).join("/")));
      if (file !== undefined) problems.push({ path, message: `is below ${file}, which is a file` });
    }
  }
  if (entries.length === 0) problems.push({ path: null, message: "has no files" });
  if (entries.length > bundleLimits.files) {
    const message = `has ${entries.length} files; expected at most ${bundleLimits.files}`;
    problems.push({ path: null, message });
  }
  if (bytes > bundleLimits.bytes) {
    const message = `has ${bytes} bytes; expected at most ${bundleLimits.bytes}`;
    problems.push({ path: null, message });
  }
  problems.push(...kindProblems(kind, entries));
  return problems;
}

function kindProblems(
  kind: BundleKind,
  entries: readonly Pick<BundleEntry, "path">[],
): BundleProblem[] {
  const has = (name: string) => entries.some(({ path }) => path === name);
  if (kind === "skill" && !has(skillFile)) {
    const message = `has no ${skillFile} at its root; for instructions alone use AgentsMd, for other files File`;
    return [{ path: null, message }];
  }
  if (kind === "agents_md" && !(has(agentsFile) && entries.length === 1)) {
    return [{ path: null, message: `must be one ${agentsFile} and nothing else` }];
  }
  return [];
}

function foldPath(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

/**
 * The canonical manifest of a bundle, as text: what its `contentHash` is the sha256 of. JSON by RFC 8785, files sorted by
 * the bytes of their paths; no time, no owner, no compressor, so that the same files have the same name everywhere.
 */
export function bundleManifest(entries: readonly BundleEntry[]): string {
  const files = sortByPath(entries).map(({ path, mode, size, sha256 }) => ({
    mode: mode === 0o755 ? "0755" : "0644",
    path,
    sha256,
    size,
  }));
  return JSON.stringify({ files, schema: "airlock.bundle.v1" });
}

/** In the order of the bytes of their paths, which is the order of everything that is made of a bundle. */
export function sortByPath<Entry extends { path: string }>(entries: readonly Entry[]): Entry[] {
  const encoder = new TextEncoder();
  return entries
    .map((entry) => ({ entry, bytes: encoder.encode(entry.path) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes))
    .map(({ entry }) => entry);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const BundleId = (prefix: string) =>
  z
    .string()
    .regex(
      new RegExp(`^${prefix}_[A-Za-z0-9_-]{6,128}$`),
      `expected an id like ${prefix}_01kadz3v6m5c0jx9s2qf8t7w4b`,
    );
export const SkillId = BundleId("skl").meta({ id: "SkillId" });
export const AgentsMdId = BundleId("amd").meta({ id: "AgentsMdId" });
export const FileId = BundleId("fil").meta({ id: "FileId" });

const record = {
  name: BundleName,
  contentHash: Digest.describe(
    "Of the canonical manifest; the same files have the same everywhere",
  ),
  sizeBytes: z.int(),
  fileCount: z.int(),
  createdAt: z.iso.datetime(),
};

/** A skill of the workspace: uploaded once, given to any number of runs. */
export const SkillRecord = z
  .object({
    id: SkillId,
    ...record,
    description: z.string().nullable().describe("From the frontmatter of its SKILL.md"),
  })
  .meta({ id: "Skill" });
export type SkillRecord = z.infer<typeof SkillRecord>;

/** Instructions of the workspace: an `AGENTS.md`, said to the model before the prompt. */
export const AgentsMdRecord = z.object({ id: AgentsMdId, ...record }).meta({ id: "AgentsMd" });
export type AgentsMdRecord = z.infer<typeof AgentsMdRecord>;

/** Files of the workspace, mounted read-only in the runs that name them. */
export const FileRecord = z.object({ id: FileId, ...record }).meta({ id: "File" });
export type FileRecord = z.infer<typeof FileRecord>;

/** One file of an uploaded bundle, as the API lists it. */
export const BundleFile = z
  .object({ path: z.string(), mode: z.enum(["0644", "0755"]), size: z.int(), sha256: Digest })
  .meta({ id: "BundleFile" });
export type BundleFile = z.infer<typeof BundleFile>;
