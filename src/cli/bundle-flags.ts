import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { AgentsMd, File, Skill, type SubmitOptions } from "../sdk/sdk.ts";
import { CliError, usage } from "./exit.ts";
import { collect } from "./option-values.ts";

/** The flags that give a run bundles. Directories for `--file` are read elsewhere: most of its values are plain files. */
export interface BundleFlags {
  skill?: string[];
  skillId?: string[];
  providerSkill?: string[];
  agentsMd?: string[];
}

type SkillSource = NonNullable<SubmitOptions["skills"]>[number];
type AgentsMdSource = NonNullable<SubmitOptions["agentsMd"]>[number];

/** Adds the flags of bundles to a command. */
export function addBundleFlags(command: Command): void {
  command
    .option("--skill <[name=]dir>", "a skill: a directory with a SKILL.md; again", collect)
    .option("--skill-id <id>", "a skill of the workspace, as skl_…; may be repeated", collect)
    .option("--provider-skill <vendor:id[:version]>", "a skill of the model's provider", collect)
    .option(
      "--agents-md <[name=]file>",
      "instructions, said before the prompt: a file or amd_…; again",
      collect,
    );
}

/** The skills that flags name; undefined: they name none. */
export async function readSkills(flags: BundleFlags): Promise<SkillSource[] | undefined> {
  const { skill, skillId, providerSkill } = flags;
  if (skill === undefined && skillId === undefined && providerSkill === undefined) return undefined;
  const skills: SkillSource[] = [];
  for (const text of skill ?? []) skills.push(await localSkill("--skill", text));
  for (const id of skillId ?? []) skills.push(Skill.fromId(id));
  for (const text of providerSkill ?? []) skills.push(readProviderSkill(text));
  return skills;
}

/** A directory as a skill, called after its folder or by the name in front of it. */
export async function localSkill(flag: string, text: string, name?: string): Promise<Skill> {
  const { path, ...given } = await named(text, name);
  await refuseWrongPath(flag, path, { isDirectory: true });
  return await Skill.fromPath(path, given);
}

function readProviderSkill(text: string): Skill {
  const found = /^([^:]+):([^:]+)(?::(.+))?$/.exec(text);
  if (found === null) {
    throw usage(
      `--provider-skill: expected VENDOR:ID or VENDOR:ID:VERSION, got ${JSON.stringify(text)}`,
    );
  }
  const [, vendor = "", skillId = "", version] = found;
  const given = { vendor: vendor as "anthropic", skillId };
  return Skill.provider(version === undefined ? given : { ...given, version });
}

/** The instructions that flags name; undefined: they name none. */
export async function readAgentsMd({
  agentsMd,
}: BundleFlags): Promise<AgentsMdSource[] | undefined> {
  if (agentsMd === undefined) return undefined;
  return await Promise.all(
    agentsMd.map((text) =>
      text.startsWith("amd_") ? AgentsMd.fromId(text) : localAgentsMd("--agents-md", text),
    ),
  );
}

/** A text file as instructions, called after it: `AGENTS.md` is `agents`. */
export async function localAgentsMd(flag: string, text: string, name?: string): Promise<AgentsMd> {
  const { path, ...given } = await named(text, name);
  await refuseWrongPath(flag, path, { isDirectory: false });
  return await AgentsMd.fromPath(path, given);
}

/** A directory, or what the workspace has, as files that are mounted read-only. */
export async function mountedFile(
  path: string,
  options: { name?: string; mountPath?: string } = {},
): Promise<File> {
  const { mountPath } = options;
  if (path.startsWith("fil_"))
    return File.fromId(path, mountPath === undefined ? {} : { mountPath });
  return await File.fromPath(resolve(path), options);
}

/** `NAME=PATH`, unless the whole of it is there. The path is whole, so that `.` has a name to take. */
async function named(text: string, name?: string): Promise<{ path: string; name?: string }> {
  if (name !== undefined) return { path: resolve(text), name };
  const found = /^([A-Za-z0-9_-]+)=(.+)$/s.exec(text);
  if (found === null || (await isThere(text))) return { path: resolve(text) };
  return { path: resolve(found[2] ?? ""), name: found[1] ?? "" };
}

async function refuseWrongPath(
  flag: string,
  path: string,
  { isDirectory }: { isDirectory: boolean },
): Promise<void> {
  const found = await stat(path).catch((error: Error) => {
    throw new CliError("file_unreadable", `${flag}: cannot read ${path}: ${error.message}`);
  });
  if (found.isDirectory() === isDirectory) return;
  throw usage(`${flag}: ${path} is ${isDirectory ? "no" : "a"} directory`);
}

/** Whether something is at a path. */
export function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
