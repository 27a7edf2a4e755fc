import { posix } from "node:path";
import { limits } from "../base/limits.ts";
import type { Edit, Write } from "./analysis.ts";

/** One file that a command or code of the call makes, where it may lie. */
export interface Written extends Omit<Write, "path" | "body"> {
  paths: string[];
  /** The path is only known when it runs; what is known of it is its end. */
  dynamic: boolean;
  body: WrittenBody | null;
  /** The text that makes it, and where in that. */
  text: string;
  offset: number;
}

export type WrittenBody = ({ text: string; dynamic: boolean } | { files: string[] })[];

/** When a file is started: by which text, and where in that. */
export interface Moment {
  text: string;
  offset: number;
}

/** What a file may hold when it is its turn. */
export type Version =
  | { text: string; dynamic: boolean }
  /** Nobody can say; `exact`: it is this very file that is made. */
  | { unread: true; exact: boolean };

/** How many versions of one file are looked at, and of how many others they may be put together. */
const mostVersions = 8;
const mostBodies = 100;

/** What the call itself makes of a file; `original`: what lies there before may be what runs. */
export async function versionsOf(
  path: string,
  at: Moment | undefined,
  all: readonly Written[],
  read: (path: string) => Promise<string | undefined>,
  left = { bodies: mostBodies },
): Promise<{ versions: Version[]; original: boolean }> {
  if (all.length === 0 || left.bodies < 0) return { versions: [], original: true };
  const own = all.filter((each) => each.paths.some((base) => belongs(path, base, each)));
  const named = own.filter((each) => !each.dynamic);
  const versions: Version[] = [];
  const add = (more: readonly Version[]) => {
    for (const each of more) if (versions.length < mostVersions) versions.push(each);
  };
  const bodyOf = async (each: Written): Promise<Version> => {
    left.bodies -= 1;
    if (each.body === null || left.bodies < 0) return { unread: true, exact: !each.below };
    let [text, dynamic] = ["", false];
    for (const part of each.body) {
      if ("text" in part) {
        text += part.text;
        dynamic ||= part.dynamic;
        continue;
      }
      const from = part.files.map((file) => file + below(path, each));
      // What is edited is what was there before.
      const earlier = each.edit === undefined ? all : all.slice(0, all.indexOf(each));
      const found = await firstOf(from, each, earlier, read, left);
      if (found === undefined) continue;
      if ("unread" in found) return found;
      text += found.text;
      dynamic ||= found.dynamic;
    }
    return { text: each.edit === undefined ? text : edited(text, each.edit), dynamic };
  };
  const isCopy = (each: Written) => each.body?.some((part) => "files" in part) ?? false;
  for (const [index, each] of named.entries()) {
    if (each.append) continue;
    const whole = await bodyOf(each);
    // A directory that is copied, or a file that is not there, says nothing of this path.
    if (isCopy(each) && !("unread" in whole) && whole.text === "") continue;
    const next = named.findIndex((later, at) => at > index && !later.append);
    const rest = named.slice(index + 1, next < 0 ? undefined : next);
    add([joined([whole, ...(await Promise.all(rest.map(bodyOf)))])]);
  }
  const firstWhole = named.findIndex((each) => !each.append);
  const appended = named.slice(0, firstWhole < 0 ? undefined : firstWhole);
  if (appended.length > 0) {
    const before = await read(path);
    const start: Version = { text: before ?? "", dynamic: false };
    add([joined([start, ...(await Promise.all(appended.map(bodyOf)))])]);
  }
  for (const each of own) {
    if (!each.dynamic || each.body === null) continue;
    const version = await bodyOf(each);
    if (!("unread" in version) && version.text !== "") add([version]);
  }
  return { versions, original: !named.some((each) => isBefore(each, at)) };
}

async function firstOf(
  paths: readonly string[],
  each: Written,
  all: readonly Written[],
  read: (path: string) => Promise<string | undefined>,
  left: { bodies: number },
): Promise<Version | undefined> {
  for (const path of paths) {
    const { versions, original } = await versionsOf(path, each, all, read, left);
    const text = original ? await read(path) : undefined;
    const unread = versions.find((version) => "unread" in version);
    if (unread !== undefined) return unread;
    const known = versions.flatMap((version) => ("unread" in version ? [] : [version]));
    if (text === undefined && known.length === 0) continue;
    // Whichever is there is read as part of the whole: nothing of them is left out.
    const texts = [...(text === undefined ? [] : [{ text, dynamic: false }]), ...known];
    return joined(texts);
  }
  return undefined;
}

function joined(versions: readonly Version[]): Version {
  let [text, dynamic] = ["", false];
  for (const version of versions) {
    if ("unread" in version) return version;
    text += version.text;
    dynamic ||= version.dynamic;
  }
  return text.length > 2 * limits.analysisFileBytes
    ? { unread: true, exact: true }
    : { text, dynamic };
}

/** Where it is not known what is replaced, what is put there is read beside the rest. */
function edited(text: string, { from, to }: Edit): string {
  if (text === "") return "";
  if (from === null || from === "") return `${text}\n${to}\n`;
  return text.split(from).join(to);
}

function isBefore(each: Written, at: Moment | undefined): boolean {
  const replaces = !each.append && !each.below && each.paths.length === 1;
  return (
    replaces &&
    at !== undefined &&
    each.text === at.text &&
    each.offset < at.offset &&
    at.offset <= each.sureUntil
  );
}

function belongs(path: string, base: string, each: Written): boolean {
  if (!each.dynamic) return path === base || (each.below && isBelow(path, base));
  // Of `out/$name.txt` the end is known, and nothing that ends otherwise is meant.
  const end = posix.extname(base);
  return end === "" ? !each.below : path.endsWith(end) && !each.below;
}

function isBelow(path: string, base: string): boolean {
  return path.startsWith(base === "/" ? "/" : `${base}/`);
}

/** What of the path lies below the directory that was copied. */
function below(path: string, each: Written): string {
  const base = each.paths.find((one) => isBelow(path, one));
  return base === undefined || !each.below ? "" : path.slice(base.length);
}
