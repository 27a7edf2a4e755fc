import { Problem } from "../contract/problem.ts";

/** More than any artifact has layers; each is a mount that every command of the run pays for. */
export const mostMounts = 64;

const roots = ["/opt", "/deps", "/tmp", "/workspace"];
/** The kernel's own limits of a path and of one name in it. */
const mostPathBytes = 4095;
const mostNameBytes = 255;

/**
 * Refuses with `invalid_request`, naming the target, unless all can be mounted side by side: absolute and
 * normalised, below `/opt`, `/deps`, `/tmp` or `/workspace`, none of them twice or below another.
 */
export function checkMountTargets(targets: string[]): void {
  if (targets.length > mostMounts) {
    throw new Problem(
      "invalid_request",
      `Cannot mount ${targets.length} directories: expected at most ${mostMounts}`,
    );
  }
  for (const target of targets) {
    const wanted = wrongWith(target);
    if (wanted !== undefined) refuse(target, wanted);
  }
  // With the separator at the end a directory sorts right before what lies below it.
  const sorted = targets.map((target) => `${target}/`).sort();
  for (const [index, later] of sorted.entries()) {
    const earlier = sorted[index - 1];
    if (earlier === undefined || !later.startsWith(earlier)) continue;
    refuse(later.slice(0, -1), `a path that is not at or below ${quoted(earlier.slice(0, -1))}`);
  }
}

/** What was wanted instead; undefined when the target is right. */
function wrongWith(target: string): string | undefined {
  if (!target.isWellFormed() || /\p{Cc}/u.test(target)) return "a path without control characters";
  if (Buffer.byteLength(target) > mostPathBytes) return `at most ${mostPathBytes} bytes`;
  const [before, root, ...names] = target.split("/");
  const isBelow = before === "" && roots.includes(`/${root}`) && names.length > 0;
  if (!isBelow) return `an absolute path below ${roots.join(", ")}`;
  if (names.some((name) => name === "" || name === "." || name === "..")) {
    return "a normalised path, without empty, . or .. names";
  }
  if (names.some((name) => Buffer.byteLength(name) > mostNameBytes)) {
    return `names of at most ${mostNameBytes} bytes`;
  }
  return undefined;
}

function refuse(target: string, wanted: string): never {
  throw new Problem("invalid_request", `Cannot mount at ${quoted(target)}: expected ${wanted}`);
}

function quoted(path: string): string {
  const shown = JSON.stringify(path);
  return shown.length <= 200 ? shown : `${shown.slice(0, 200)}…"`;
}
