import type { ReadCommand, SimpleCommand, Word } from "../analysis/analysis.ts";

export type Family = "destructive" | "privilege" | "environment";

/** Something that no agent may do unless a pattern of it names the program. */
export interface Forbidden {
  family: Family;
  token: string;
  offset: number;
  /** The command; null for a redirect. */
  command: SimpleCommand | null;
}

const destructive = /^(rm|rmdir|unlink|shred|wipefs|dd|mkfs(\..+)?|mke2fs)$/;
const privilege =
  /^(sudo|sudoedit|su|doas|pkexec|newgrp|sg|chroot|unshare|nsenter|capsh|setcap|visudo|runuser|setpriv)$/;

/** What of a command belongs to a forbidden family: by the program that runs, never by how a text looks. */
export function forbiddenIn(read: ReadCommand): Forbidden[] {
  const found: Forbidden[] = [];
  for (const command of read.commands) {
    const one = forbiddenCommand(command);
    if (one !== undefined) found.push({ ...one, command });
    for (const word of command.words) {
      if (isEnvironFile(word)) found.push({ ...environ(word), command });
    }
  }
  for (const word of read.redirects) {
    if (isEnvironFile(word)) found.push({ ...environ(word), command: null });
  }
  return found;
}

const environ = ({ text, offset }: Word) => ({
  family: "environment" as const,
  token: text,
  offset,
});

function forbiddenCommand(
  command: SimpleCommand,
): { family: Family; token: string; offset: number } | undefined {
  const { words, offset } = command;
  const program = programName(command);
  const say = (family: Family, word?: Word) => ({
    family,
    token: word?.text ?? program,
    offset: word?.offset ?? offset,
  });
  if (destructive.test(program)) return say("destructive");
  if (privilege.test(program)) return say("privilege");
  if (program === "find") {
    const action = words.find(({ text }) => text === "-delete");
    return action === undefined ? undefined : say("destructive", action);
  }
  if (program === "chmod" || program === "install" || program === "mkdir") {
    const mode = words.slice(1).find((word) => setsIdentity(word, program));
    return mode === undefined ? undefined : say("privilege", mode);
  }
  return disclosesEnvironment(program, words) ? say("environment") : undefined;
}

/** `../../bin/rm`, `/proc/1/root/bin/rm` and `bin/rm` after `cd /` are all rm. */
function programName({ program }: SimpleCommand): string {
  if (program === null) return "";
  return /(?:^|\/)s?bin\/([^/]+)$/.exec(program)?.[1] ?? program;
}

/** A mode with the set-user-id or the set-group-id bit. */
function setsIdentity({ text, dynamic }: Word, program: string): boolean {
  if (dynamic) return false;
  const mode = program === "chmod" ? text : (/^(?:-m|--mode=)(.+)$/.exec(text)?.[1] ?? text);
  if (/^0*[2-7]\d{3}$/.test(mode)) return (Number.parseInt(mode, 8) & 0o6000) !== 0;
  return /^[ugoa]*([-+=][rwxXst]*,?[ugoa]*)*$/.test(mode) && /[+=][rwxXt]*s/.test(mode);
}

/** Prints the variables of the environment instead of using one of them. */
function disclosesEnvironment(program: string, words: readonly Word[]): boolean {
  const given = words.slice(1).map(({ text }) => text);
  switch (program) {
    case "printenv":
      return true;
    case "env":
      return !given.some((text) => text === "--help" || text === "--version");
    case "set":
      return given.length === 0;
    case "export":
    case "readonly":
      return given.every((text) => text === "-p" || text === "--");
    case "declare":
    case "typeset":
      return given.every((text) => /^[-+][a-zA-Z]*$/.test(text)) && !given.some(isFunctionFlag);
    case "compgen":
      return given.some((text) => /^-[a-zA-Z]*[evA]/.test(text));
    default:
      return false;
  }
}

const isFunctionFlag = (text: string) => /^-[a-zA-Z]*[fF]/.test(text);

/** `/proc/…/environ`, also behind `if=`, `@` or `--file=`, and spelt with wildcards or variables. */
function isEnvironFile({ text }: Word): boolean {
  if (!/\/["'\\]*[p*?[{]/.test(text)) return false;
  const path = text.replace(/["'\\]/g, "").replace(/^[^/]*[=@]/, "");
  if (!path.startsWith("/")) return false;
  const [proc = "", ...rest] = segmentsOf(path);
  const last = rest.at(-1) ?? "";
  if (rest.length < 2 || !/[a-z]/.test(proc)) return false;
  return globCovers(proc, "proc") && globCovers(last, "environ");
}

/** The names on an absolute path, after it has climbed. */
function segmentsOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** Whether a segment with wildcards can mean this name. */
function globCovers(glob: string, name: string): boolean {
  if (!/[*?[{]/.test(glob)) return glob === name;
  if (glob.length > 64) return true;
  const pattern = glob
    .replace(/\{[^}]*\}/g, "*")
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\[[^\]]*\]/g, "?")
    .replace(/\[/g, "\\[")
    .replace(/\*+/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${pattern}$`).test(name);
}
