import { skillFile } from "../contract/bundle.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { fileBundlePath, type MountedSkill, mountedSkills, skillPath } from "./run-bundles.ts";

const skillsTold = 40;
const descriptionChars = 240;
const filesTold = 40;

/**
 * What the run was given, in lines of the system prompt: skills by name and description, so that the model knows when to
 * read one, and bundles of files by their places. Nothing of what is in them.
 */
export function givenBundles(snapshot: RunSnapshot, tools: readonly string[]): string[] {
  const isRun = tools.includes("sandbox_exec");
  const isRead = tools.includes("content_read");
  const skills = isRun || isRead ? mountedSkills(snapshot) : [];
  const lines: string[] = [];
  if (skills.length > 0) lines.push(skillLines(skills, { isRun, isRead }));
  const files = isRun ? (snapshot.fileBundles ?? []) : [];
  if (files.length > 0) {
    const shown = files
      .slice(0, filesTold)
      .map((bundle) => `${fileBundlePath(bundle)} (${countOf(bundle.fileCount)})`);
    lines.push(
      `Files that you were given, read-only: ${listed(shown, files.length)}. ${notInBuilds}`,
    );
  }
  if (isRun && skills.length > 0 && files.length === 0) lines.push(notInBuilds);
  return lines;
}

const notInBuilds =
  "A command with capture_paths does not see them: copy what it needs to /tmp or /workspace first.";

function skillLines(
  skills: readonly MountedSkill[],
  { isRun, isRead }: { isRun: boolean; isRead: boolean },
): string {
  const how = [
    ...(isRead ? [`content_read "skills/NAME/${skillFile}"`] : []),
    ...(isRun ? ["the files at its path, for commands"] : []),
  ].join(", or ");
  const shown = skills.slice(0, skillsTold).map((skill) => {
    const place = isRun ? ` (${skillPath(skill)}/${skillFile})` : "";
    return `- ${skill.name}${place}${described(skill)}`;
  });
  const more = skills.length - shown.length;
  return [
    `Skills that you were given, read-only. Before you do what one is for, read it: ${how}.`,
    ...shown,
    ...(more > 0 ? [`- and ${more} more`] : []),
  ].join("\n");
}

/** On one line: what a skill says of itself must not look like a line of ours. */
function described({ description }: MountedSkill): string {
  if (description === null) return "";
  const line = description.replace(/\s+/g, " ").trim();
  return `: ${line.length <= descriptionChars ? line : `${cut(line)}…`}`;
}

/** Never in the middle of a character. */
function cut(text: string): string {
  return text.slice(0, descriptionChars).replace(/[\uD800-\uDBFF]$/, "");
}

function countOf(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}

function listed(shown: readonly string[], all: number): string {
  return all > shown.length
    ? `${shown.join(", ")} and ${all - shown.length} more`
    : shown.join(", ");
}
