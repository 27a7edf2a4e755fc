import { didYouMean } from "./did-you-mean.ts";
import { type Fault, quoted } from "./fault.ts";

/** A file of an agent's folder as far as it is looked at. */
export interface AgentFileHead {
  path: string;
  executable: boolean;
  /** Of its bytes the first 256 or more, or all. */
  firstBytes: Uint8Array;
}

/** What a shebang can lead to in every sandbox, and what an operator may have mounted beside it. */
const inside = ["sh", "bash", "dash", "python3", "python", "node"];
const elsewhere = ["perl", "ruby", "php", "lua", "deno", "bun", "Rscript", "tclsh", "awk", "zsh"];
/** The kernel reads no further. */
const shebangBytesMax = 255;

const path = ["script_entry"];

/** What is wrong with the script of an agent: it is started by the kernel itself, with no interpreter before it. */
export function scriptFaults(entry: string, files: readonly AgentFileHead[]): Fault[] {
  const named = nameFault(entry, files);
  if (named) return [named];
  const file = files.find((one) => one.path === entry);
  if (file === undefined) {
    const near = didYouMean(
      entry,
      files.map((one) => one.path),
    );
    const message = `script_entry ${quoted(entry)} is not among the agent's files`;
    const remedy = near ? `Did you mean ${near}?` : `Put ${entry} beside SKILL.md`;
    return [{ path, message, remedy }];
  }
  const wrong = shebangFault(Buffer.from(file.firstBytes), entry);
  return wrong ? [{ path, ...wrong }] : [];
}

function nameFault(entry: string, files: readonly AgentFileHead[]): Fault | undefined {
  if (files.some((file) => file.path === entry)) return undefined;
  const words = entry.trim().split(/\s+/);
  const [first = "", ...rest] = words;
  const script = rest.find((word) => !word.startsWith("-"));
  if (script !== undefined) {
    const message = `script_entry ${quoted(entry)} is a command, not a file`;
    const remedy = `Write script_entry: ${script}, and let its first line name ${first}`;
    return { path, message, remedy };
  }
  const parts = entry.split("/");
  if (
    entry.startsWith("/") ||
    entry.includes("\\") ||
    parts.some((part) => /^\.{0,2}$/.test(part))
  ) {
    const message = `script_entry ${quoted(entry)} is no path below the agent's folder`;
    const plain = parts.filter((part) => !/^\.{0,2}$/.test(part)).join("/");
    return { path, message, remedy: `Write it without /, . and .. before it: ${plain}` };
  }
  return undefined;
}

type Said = Pick<Fault, "message" | "remedy">;

function shebangFault(bytes: Buffer, entry: string): Said | undefined {
  const example = exampleFor(entry);
  const first = `Begin ${entry} with the line ${example}`;
  if (bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))) {
    const message = `${entry} begins with a byte order mark, and so its first line is not seen`;
    return { message, remedy: `Save it as UTF-8 without the mark` };
  }
  if (bytes.subarray(0, 2).toString("latin1") !== "#!") {
    const message = `${entry} has no shebang: it is started directly, with no interpreter before it`;
    return { message, remedy: first };
  }
  const end = bytes.indexOf(0x0a);
  const line = bytes.subarray(0, end < 0 ? bytes.length : end);
  if (line.length > shebangBytesMax) {
    return { message: `The first line of ${entry} is too long for the kernel`, remedy: first };
  }
  if (line.at(-1) === 0x0d) {
    const message = `The first line of ${entry} ends as on Windows: its interpreter is not found`;
    return { message, remedy: "Save it with line ends LF" };
  }
  return interpreterFault(line.toString("utf8").slice(2).trim(), entry, first);
}

function interpreterFault(command: string, entry: string, first: string): Said | undefined {
  const [program = "", ...args] = command.split(/[ \t]+/);
  const says = `The first line of ${entry}`;
  if (program === "") return { message: `${says} names no interpreter`, remedy: first };
  if (!program.startsWith("/")) {
    const message = `${says} names ${quoted(program)}, which is no absolute path`;
    return { message, remedy: first };
  }
  const name = program.split("/").at(-1) ?? "";
  if (name !== "env") return unknownName(name, says, first);
  const split = args[0] === "-S" || args[0]?.startsWith("-S");
  const words = split ? [args[0]?.slice(2) ?? "", ...args.slice(1)].filter(Boolean) : args;
  const [target] = words;
  if (target === undefined) {
    return { message: `${says} lets env find nothing`, remedy: first };
  }
  if (!split && words.length > 1) {
    const message = `${says} gives env one word, ${quoted(words.join(" "))}: no program has that name`;
    return { message, remedy: `Write #!/usr/bin/env -S ${words.join(" ")}` };
  }
  return unknownName(target, says, first);
}

function unknownName(name: string, says: string, first: string): Said | undefined {
  if (inside.includes(name) || elsewhere.includes(name) || /^python3\.\d+$/.test(name)) {
    return undefined;
  }
  const near = didYouMean(name, inside);
  const message = `${says} names ${quoted(name)}, which no sandbox has`;
  const known = `What is there: ${inside.join(", ")}`;
  return { message, remedy: near ? `Did you mean ${near}? ${first}` : `${first}. ${known}` };
}

function exampleFor(entry: string): string {
  if (/\.[cm]?js$/.test(entry)) return "#!/usr/bin/env node";
  if (/\.(ba)?sh$/.test(entry)) return "#!/bin/sh";
  return "#!/usr/bin/env python3";
}
