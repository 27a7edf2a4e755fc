import { mountProblem, mountsMax, nestedMounts } from "../base/mount-path.ts";
import { Problem } from "../contract/problem.ts";

/** Refuses with `invalid_request`, naming the target, unless all can be mounted side by side and are not more than `most`. */
export function checkMountTargets(targets: string[], most = mountsMax): void {
  if (targets.length > most) {
    throw new Problem(
      "invalid_request",
      `Cannot mount ${targets.length} directories: expected at most ${most}`,
    );
  }
  for (const target of targets) {
    const problem = mountProblem(target);
    if (problem !== undefined) refuse(target, problem);
  }
  const nested = nestedMounts(targets);
  if (nested !== undefined) refuse(nested[1], `must not be at or below ${quoted(nested[0])}`);
}

function refuse(target: string, problem: string): never {
  throw new Problem("invalid_request", `Cannot mount at ${quoted(target)}: it ${problem}`);
}

function quoted(path: string): string {
  const shown = JSON.stringify(path);
  return shown.length <= 200 ? shown : `${shown.slice(0, 200)}…"`;
}
