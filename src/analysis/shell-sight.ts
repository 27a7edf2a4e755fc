import type { RemoteAccess } from "../contract/remote-access.ts";
import type { Look, ReadCommand, SimpleCommand, Word } from "./analysis.ts";
import { here, hostAt, pointedTo } from "./hosts.ts";
import { placesOf } from "./shell-places.ts";
import { networkPrograms, networkWords, packagePrograms } from "./shell-words.ts";
import { type Seen, shown } from "./sight.ts";
import { hole } from "./value.ts";

/** What the commands of a shell text say of the network. `line` is where its first line stands. */
export function shellFindings(text: string, read: ReadCommand, look: Look, line: number): Seen[] {
  const found: Seen[] = [];
  const lines = lineStarts(text);
  const add = (
    kind: Seen["kind"],
    offset: number,
    pattern: string,
    reason: string,
    host: string | null = null,
  ) => {
    found.push({ kind, line: line + lineAt(lines, offset), pattern: shown(pattern), host, reason });
  };
  for (const command of read.commands) {
    const pattern = command.words.map((word) => word.text).join(" ");
    const judged = judgeCommand(command, look);
    for (const host of judged?.hosts ?? []) {
      add(judged?.kind ?? "command", command.offset, pattern, judged?.reason ?? "", host);
    }
    if (judged !== undefined) continue;
    for (const word of command.words) {
      for (const { kind, host } of pointedTo(asText(word))) {
        add(kind, word.offset, word.text, kind === "url" ? "A URL" : "An address", host);
      }
    }
  }
  for (const { text: target, offset } of read.redirects) {
    const device = /^\/dev\/(?:tcp|udp)\/([^/]*)\/(.*)$/.exec(target);
    if (device === null) continue;
    const host = hostAt(`${bracketed(device[1] ?? "")}:${device[2] ?? ""}`, null) ?? null;
    if (host !== here) add("command", offset, target, "The shell opens a connection", host);
  }
  for (const { token, offset, reason } of read.opaque) add("opaque", offset, token, reason);
  return found;
}

interface Judged {
  kind: "command" | "package_manager";
  reason: string;
  /** None: it reaches this machine only. */
  hosts: (string | null)[];
}

function judgeCommand(command: SimpleCommand, look: Look): Judged | undefined {
  const { program } = command;
  const own = look.remoteAccess ?? {};
  const texts = command.words.map((word) => word.text);
  if (program === null) return undefined;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const rest = command.words.slice(1);
  const packages = packageCommand(name, texts, own, look);
  if (packages !== undefined) return packages;
  if (!isNetworkCommand(name, texts, own)) return undefined;
  const places = placesOf(name, networkPrograms.get(name) ?? "urls", rest.map(asText));
  return {
    kind: "command",
    reason: `${name} reaches the network`,
    hosts: places.length === 0 ? [null] : places.filter((host) => host !== here),
  };
}

function isNetworkCommand(name: string, texts: readonly string[], own: RemoteAccess): boolean {
  if (startsWithAny(own.shell_commands, name, texts)) return true;
  const only = Object.hasOwn(networkWords, name) ? networkWords[name] : undefined;
  const asks = texts.length === 2 && /^(--?help|--version|-V|-h)$/.test(texts[1] ?? "");
  if (asks) return false;
  const second = operands(name, texts.slice(1));
  if (only === undefined || only.length === 0) return networkPrograms.has(name);
  if (name === "git" && second[0] === "remote")
    return /^(update|show|prune|add)$/.test(second[1] ?? "") && second[1] !== "add";
  if (name === "git" && second[0] === "archive")
    return texts.some((text) => text.startsWith("--remote"));
  return only.includes(second[0] ?? "");
}

function packageCommand(
  name: string,
  texts: readonly string[],
  own: RemoteAccess,
  look: Look,
): Judged | undefined {
  const [called, words] = asModule(name, texts.slice(1));
  const bare = called.replace(/^(pip|easy_install)[\d.-]+$/, "$1");
  const known = Object.hasOwn(packagePrograms, bare) ? packagePrograms[bare] : undefined;
  const given = startsWithAny(own.package_manager_commands, called, [called, ...words]);
  const ecosystem = known?.[0] ?? "other";
  if (!given && !(known !== undefined && fetches(bare, known[1], words))) return undefined;
  const hosts = look.packageHosts[ecosystem].map((host) => host.toLowerCase());
  const reason = `${bare} installs packages`;
  return { kind: "package_manager", reason, hosts: hosts.length === 0 ? [null] : hosts };
}

/** `python3 -m pip install` is `pip install`. */
function asModule(name: string, words: readonly string[]): [string, readonly string[]] {
  if (!/^(python|pypy)[\d.]*$/.test(name)) return [name, words];
  const at = words.indexOf("-m");
  const module = at < 0 ? undefined : words[at + 1];
  return module === undefined ? [name, words] : [module, words.slice(at + 2)];
}

function fetches(program: string, verbs: readonly string[], words: readonly string[]): boolean {
  if (words.some((word) => /^(--version|--help|-h)$/.test(word)) && words.length === 1)
    return false;
  if (words.some((word) => /^(--offline|--no-index|--dry-run)$/.test(word))) return false;
  if (verbs.length === 0) return true;
  const found = operands(program, words);
  const [first, second] = found;
  if (program === "yarn" && first === undefined) return true;
  if (program === "go" && first === "mod")
    return /^(download|tidy|vendor|why|graph)$/.test(second ?? "");
  if (program === "go" && first === "run") return found.some((word) => word.includes("@"));
  if (program === "uv" && first === "pip") return /^(install|sync|compile)$/.test(second ?? "");
  if (program === "npm" && first === "init") return second !== undefined;
  if (program === "pacman") return words.some((word) => verbs.includes(word));
  return first !== undefined && verbs.includes(first);
}

/** Options that take a word, before the word that says what is to be done. */
const valued: Readonly<Record<string, RegExp>> = {
  git: /^(-C|-c|--git-dir|--work-tree|--namespace|--exec-path)$/,
  pip: /^(--log|--proxy|--cache-dir|--timeout|--retries|--cert)$/,
  npm: /^(--prefix|-C|--registry|--userconfig|--loglevel|-w|--workspace|--cache)$/,
  yarn: /^(--cwd)$/,
  pnpm: /^(-C|--dir|--filter|-F)$/,
  cargo: /^(--config|-Z|--color|-C)$/,
  go: /^(-C)$/,
  docker: /^(-H|--host|--context|-c|--config|-l)$/,
  apt: /^(-o|-c|-t)$/,
  "apt-get": /^(-o|-c|-t)$/,
};

/** The words that are no options. */
function operands(program: string, words: readonly string[]): string[] {
  const takes = Object.hasOwn(valued, program) ? valued[program] : undefined;
  const found: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (found.length === 0 && takes?.test(word)) at += 1;
    else if (!/^[-+]/.test(word)) found.push(word);
  }
  return found;
}

/** An agent's own words: `git clone` is the program and what it is first told. */
function startsWithAny(
  entries: readonly string[] | undefined,
  name: string,
  texts: readonly string[],
): boolean {
  return (entries ?? []).some((entry) => {
    const [program, ...wanted] = entry.trim().split(/\s+/);
    if (program !== name) return false;
    const options = wanted.some((word) => word.startsWith("-"));
    const given = options ? texts.slice(1) : operands(name, texts.slice(1));
    return wanted.every((word, at) => given[at] === word);
  });
}

/** What of a word is known; what a variable gives is a hole in it. */
function asText({ text, dynamic }: Word): string {
  return dynamic ? text.replace(/\$\{[^}]*\}|\$\([^)]*\)|\$\w+|`[^`]*`/g, hole) : text;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** How many lines stand before a place. */
export function lineAt(starts: readonly number[], offset: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
