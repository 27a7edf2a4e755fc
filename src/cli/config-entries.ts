import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { AgentsMd, Skill } from "../sdk/sdk.ts";
import { localAgentsMd, localSkill, mountedFile } from "./bundle-flags.ts";
import { type Draft, isObject, onlyKeys, type Place, readTexts } from "./config-texts.ts";
import { CliError, usage } from "./exit.ts";

/**
 * One of `files`: a path, `{from}` with what is said of it, `{kind: "workspace", id}`, or text in the form of the API. A
 * directory is mounted read-only.
 */
export async function readFileEntry(place: Place, where: string, value: unknown): Promise<unknown> {
  const entry = pathOf(place, where, value);
  if (entry !== undefined) {
    const { from, rest } = entry;
    if (await isFolder(place, where, from)) {
      onlyKeys(place, where, rest, ["name", "mountPath"]);
      return await mountedFile(from, rest);
    }
    onlyKeys(place, where, rest, ["path", "sha256", "executable"]);
    return { path: from.split("/").at(-1), ...rest, from };
  }
  const { kind, ...rest } = known(place, where, value);
  if (kind === undefined) return value;
  if (kind !== "workspace") throw wrongKind(place, where, "workspace");
  onlyKeys(place, where, rest, ["id", "mountPath"]);
  const { id, ...options } = rest as { id: string; mountPath?: string };
  return await mountedFile(String(id), options);
}

/** One of `skills`: a path, `{from, name}`, or one of the workspace, of the provider, or inline. */
export async function readSkillEntry(place: Place, where: string, value: unknown): Promise<Skill> {
  const entry = pathOf(place, where, value);
  if (entry !== undefined) {
    onlyKeys(place, where, entry.rest, ["name"]);
    return await localSkill(`${place.shown}: ${where}`, entry.from, entry.rest.name);
  }
  const { kind, ...rest } = known(place, where, value);
  if (kind === "workspace") {
    onlyKeys(place, where, rest, ["id"]);
    return Skill.fromId(rest.id as string);
  }
  if (kind === "provider") {
    onlyKeys(place, where, rest, ["vendor", "skillId", "version"]);
    return Skill.provider(rest as unknown as Parameters<typeof Skill.provider>[0]);
  }
  if (kind !== "inline") throw wrongKind(place, where, "workspace, provider or inline");
  onlyKeys(place, where, rest, ["name", "markdown", "mountPath"]);
  const markdown = await readTexts(place, `${where}.markdown`, rest.markdown);
  return Skill.inline({ ...rest, markdown } as Parameters<typeof Skill.inline>[0]);
}

/** One of `agentsMd`: a path, `{from, name}`, or one of the workspace, or inline. */
export async function readAgentsMdEntry(
  place: Place,
  where: string,
  value: unknown,
): Promise<AgentsMd> {
  const entry = pathOf(place, where, value);
  if (entry !== undefined) {
    onlyKeys(place, where, entry.rest, ["name"]);
    return await localAgentsMd(`${place.shown}: ${where}`, entry.from, entry.rest.name);
  }
  const { kind, ...rest } = known(place, where, value);
  if (kind === "workspace") {
    onlyKeys(place, where, rest, ["id"]);
    return AgentsMd.fromId(rest.id as string);
  }
  if (kind !== "inline") throw wrongKind(place, where, "workspace or inline");
  onlyKeys(place, where, rest, ["name", "content"]);
  const content = await readTexts(place, `${where}.content`, rest.content);
  return AgentsMd.inline({ ...rest, content } as Parameters<typeof AgentsMd.inline>[0]);
}

/** A path, or an object that names one in `from`; undefined: it names none. */
function pathOf(
  place: Place,
  where: string,
  value: unknown,
): { from: string; rest: Draft & { name?: string; mountPath?: string } } | undefined {
  if (typeof value === "string") return { from: resolve(place.directory, value), rest: {} };
  if (!isObject(value) || !("from" in value)) return undefined;
  const { from, ...rest } = value;
  if (typeof from === "string") return { from: resolve(place.directory, from), rest };
  throw usage(`${place.shown}: ${where}.from must be a path`);
}

/** An object, and not one whose bytes would be the parts of a request: a file cannot have them. */
function known(place: Place, where: string, value: unknown): Draft {
  if (!isObject(value)) {
    throw usage(`${place.shown}: ${where} must be a path, or an object with the key "from"`);
  }
  if (value.kind !== "transient" && !("slot" in value)) return value;
  throw usage(
    `${place.shown}: ${where} is transient, and its bytes cannot be in a configuration`,
    'Name what is to be sent along: {"from": "./path"}',
  );
}

function wrongKind(place: Place, where: string, kinds: string) {
  return usage(
    `${place.shown}: ${where}.kind is none that is known here; expected ${kinds}`,
    'To send one along, name its path: {"from": "./path"}',
  );
}

async function isFolder(place: Place, where: string, path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("file_unreadable", `${place.shown}: ${where}: cannot read it: ${reason}`);
  }
}
