import { posix } from "node:path";
import { limits } from "../base/limits.ts";
import type { Finding } from "../contract/finding.ts";
import type { Look, ReadCommand } from "./analysis.ts";
import { compiledReason, type FileKind, kindByName, kindByShebang } from "./file-kind.ts";
import { followProject, followTests } from "./follow-project.ts";
import { followGo } from "./go-packages.ts";
import type { Grammar } from "./languages.ts";
import { candidates, packageStarts } from "./modules.ts";
import { keyOf, type ProjectRun } from "./project-runs.ts";
import { languageOf, type ReadCode } from "./read-code.ts";
import { readCommand } from "./read-command.ts";
import { shellFindings } from "./shell-sight.ts";
import { payloadsOf, startsOf, writtenBy } from "./shell-starts.ts";
import { type Seen, type Sight, settled } from "./sight.ts";
import { type Moment, versionsOf, type Written } from "./written.ts";

/** A file that would run, and why it is looked at. */
export interface Start {
  path: string;
  /** What the one who starts it takes it for; undefined: its first line or its name say so. */
  kind: FileKind | undefined;
  /** Its name was given by whoever starts it, and it may be made before: that it is missing means something. */
  expected: boolean;
  /** A command names it. */
  told?: boolean;
  /** The directory of the script that was started first. */
  root: string;
  depth: number;
  from: From;
  /** The place of the command that starts it, or what loads it. */
  at?: Moment | undefined;
  /** It belongs to a project, and this is to be run of it. */
  project?: ProjectRun | undefined;
}

/** Where something is told to run. */
export interface From {
  file: string | null;
  line: number;
}

/** One walk through everything that one call would run, file by file, each once. */
export interface Through {
  look: Look;
  readCode: ReadCode;
  findings: Finding[];
  queue: Start[];
  seen: Set<string>;
  /** What the call makes of files, and where that was looked for already. */
  written: Written[];
  looked: Map<string, Start[]>;
  used: { reads: number; files: number; bytes: number; full: boolean };
}

const cwd = "/tmp";

export function openThrough(look: Look, readCode: ReadCode): Through {
  const used = { reads: 0, files: 0, bytes: 0, full: false };
  return {
    look,
    readCode,
    findings: [],
    queue: [],
    seen: new Set(),
    written: [],
    looked: new Map(),
    used,
  };
}

/** Reads until nothing is left to be read, and gives what was found. */
export async function finish(through: Through): Promise<Finding[]> {
  for (let next = through.queue.shift(); next !== undefined; next = through.queue.shift()) {
    if (through.used.full) break;
    await lookAt(next, through);
  }
  const byFile = Map.groupBy(through.findings, (finding) => finding.file);
  return [...byFile.values()].flatMap((each) => settled(each)).slice(0, limits.analysisFindings);
}

export function addFindings(file: string | null, all: readonly Seen[], through: Through): void {
  for (const each of all) through.findings.push({ ...each, file });
}

export function addOpaque(from: From, pattern: string, reason: string, through: Through): void {
  const finding: Seen = { kind: "opaque", line: from.line, pattern, host: null, reason };
  addFindings(from.file, [finding], through);
}

/** A file is looked at once for each language in which it may be read. */
export function addStart(start: Start, through: Through): void {
  const { path, kind, at, project } = start;
  const asked = project === undefined ? "" : keyOf(project);
  const isMade = at !== undefined && through.written.some((each) => each.paths.includes(path));
  const moment = isMade ? `${at.offset}\0${at.text}` : "";
  const key = `${path}\0${typeof kind === "string" ? kind : ""}\0${asked}\0${moment}`;
  if (through.seen.has(key)) return;
  through.seen.add(key);
  through.queue.push(start);
}

/** A file, as far as the limits of one analysis go. */
export async function readWithin(path: string, through: Through): Promise<Uint8Array | undefined> {
  const { used, look } = through;
  used.reads += 1;
  const content = used.reads > limits.analysisReads ? undefined : await look.read(path);
  used.files += content === undefined ? 0 : 1;
  used.bytes += content?.length ?? 0;
  const fits =
    used.reads <= limits.analysisReads &&
    used.files <= limits.analysisFiles &&
    used.bytes <= limits.analysisTotalBytes;
  if (fits) return content;
  if (!used.full) {
    addOpaque({ file: null, line: 1 }, path, "There is more than is looked through", through);
  }
  used.full = true;
  return undefined;
}

/** A shell text, of the call itself or of a file, and all that it carries with it and starts. */
export function throughShell(
  text: string,
  read: ReadCommand,
  { file, line }: From,
  depth: number,
  through: Through,
): void {
  addFindings(file, shellFindings(text, read, through.look, line), through);
  addWritten(writtenBy(text, read), through);
  for (const payload of payloadsOf(read)) {
    const at = line + payload.line - 1;
    if ("opaque" in payload) {
      addOpaque({ file, line: at }, payload.pattern, payload.opaque, through);
    } else if (isEnabled(payload.grammar, through)) {
      const found = through.readCode(payload.grammar, payload.code, at, true);
      const start = { file, root: cwd, depth, at: undefined };
      throughSight(found, payload.grammar, start, through);
    }
  }
  for (const { paths, kind, expected, root, line: before, offset, project } of startsOf(
    text,
    read,
  )) {
    const from = { file, line: line + before };
    const at = { text, offset };
    for (const path of paths) {
      const own = root ?? posix.dirname(path);
      addStart(
        { path, kind, expected, root: own, depth: depth + 1, from, at, told: true, project },
        through,
      );
    }
  }
}

/** What code says, the commands that it runs, and the code that it loads. */
function throughSight(
  found: Sight,
  grammar: Grammar,
  { file, root, depth, at }: Pick<Start, "root" | "depth" | "at"> & { file: string | null },
  through: Through,
): void {
  addFindings(file, found.findings, through);
  for (const { text, line } of found.commands) {
    const from = { file, line };
    if (depth <= limits.analysisDepth) {
      throughShell(text, readCommand(text), from, depth + 1, through);
    } else addOpaque(from, text, "Commands start code too deeply to be looked through", through);
  }
  addWritten(
    found.writes.map(({ path, text }) => ({
      ...{ dynamic: false, append: false, below: false, sureUntil: -1, text: "", offset: 0 },
      paths: [...new Set([cwd, root, posix.dirname(file ?? cwd)])].map((base) =>
        posix.resolve(base, path),
      ),
      body: [{ text, dynamic: false }],
    })),
    through,
  );
  const language = languageOf[grammar];
  const origin = { from: file ?? `${cwd}/command`, root, language };
  for (const follow of found.follows) {
    const from = { file, line: follow.line };
    // What a file of JavaScript loads may be TypeScript: its own name says so.
    const kind = language === "javascript" ? undefined : grammar;
    for (const path of candidates(follow, origin)) {
      addStart({ path, kind, expected: false, root, depth: depth + 1, from, at }, through);
    }
  }
}

/** Whoever makes a file that was looked at before makes it worth another look. */
function addWritten(written: readonly Written[], through: Through): void {
  for (const each of written) {
    if (through.written.length >= limits.analysisWritten) {
      const reason = "It makes more files than can be followed";
      addOpaque({ file: null, line: 1 }, each.paths[0] ?? "", reason, through);
      return;
    }
    through.written.push(each);
    for (const path of each.paths) {
      through.queue.push(...(through.looked.get(path) ?? []));
      if (!isLoadedUnasked(path)) continue;
      const from = { file: null, line: 1 };
      const start = { path, kind: undefined, expected: false, root: posix.dirname(path) };
      addStart({ ...start, depth: 1, from }, through);
    }
  }
}

/** Python loads these without being told, wherever it finds them. */
function isLoadedUnasked(path: string): boolean {
  return /\/(sitecustomize|usercustomize)\.py$/.test(path);
}

async function lookAt(start: Start, through: Through): Promise<void> {
  const { path, from, kind, project } = start;
  if (project?.by === "tests" || project?.by === "any") {
    await followTests(start, project, through);
    if (project.by === "any" || kindByName(path) === undefined) return;
  }
  const before = through.looked.get(path) ?? [];
  if (!before.includes(start)) through.looked.set(path, [...before, start]);
  const { versions, original } = await versionsOf(
    path,
    start.at,
    through.written,
    async (asked) => {
      const bytes = await readWithin(asked, through);
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    },
  );
  for (const version of versions) {
    if ("unread" in version) {
      const reason = "What it will hold is only known when it runs";
      if (start.told || version.exact) addOpaque(from, path, reason, through);
      continue;
    }
    if (version.dynamic && /^\s*\$\{?\w+\}?;?\s*$/m.test(version.text)) {
      addOpaque(from, path, "A line of it is only known when it runs", through);
    }
    await lookAtContent(start, new TextEncoder().encode(version.text), through);
  }
  const content = original ? await readWithin(path, through) : undefined;
  if (content !== undefined) await lookAtContent(start, content, through);
  else if (versions.length === 0 && start.expected && typeof kind !== "object") {
    addOpaque(from, path, "It is not there yet, so nobody can say what it will do", through);
  }
}

async function lookAtContent(start: Start, content: Uint8Array, through: Through): Promise<void> {
  const { path, from } = start;
  const whole = { file: path, line: 1 };
  const compiled = compiledReason(content);
  if (start.depth > limits.analysisDepth) {
    addOpaque(from, path, "Files load files too deeply to be looked through", through);
  } else if (compiled !== undefined) {
    addOpaque(whole, path, `${compiled}, which is not looked through`, through);
  } else if (content.length > limits.analysisFileBytes) {
    addOpaque(whole, path, "It is longer than what is looked through", through);
  } else await lookInto(start, new TextDecoder().decode(content), through);
}

async function lookInto(start: Start, text: string, through: Through): Promise<void> {
  const { path, root, depth, project } = start;
  if (project?.by === "scripts" || project?.by === "make") {
    followProject(start, project, text, through);
    return;
  }
  if (path.endsWith("/package.json")) {
    for (const each of packageStarts(text, path)) {
      addStart({ ...start, path: each, kind: undefined, expected: false }, through);
    }
    return;
  }
  const kind = kindOf(start, text);
  const whole = { file: path, line: 1 };
  if (kind === "shell") throughShell(text, readCommand(text), whole, depth, through);
  else if (typeof kind === "object") addOpaque(whole, path, kind.opaque, through);
  else if (isEnabled(kind, through)) {
    const found = through.readCode(kind, text, 1, start.told === true);
    throughSight(found, kind, { file: path, root, depth, at: start.at }, through);
    if (kind === "go") await followGo(start, found, through);
  }
}

function kindOf({ path, kind }: Start, text: string): FileKind {
  const byName = kindByName(path);
  if (kind === undefined) return kindByShebang(text) ?? byName ?? "shell";
  const isTypescript = byName === "typescript" || byName === "tsx";
  return kind === "javascript" && isTypescript ? byName : kind;
}

function isEnabled(grammar: Grammar, { look }: Through): boolean {
  return look.remoteAccess?.enabled_languages?.includes(languageOf[grammar]) ?? true;
}
