/** Names of a tree as an archive gives them: only what leads nowhere else is taken. */

/** The longest name that a filesystem keeps, and the longest target of a symlink. */
const nameBytes = 255;
const targetBytes = 4095;

export interface PathLimits {
  pathBytes: number;
  /** Directories on the way. */
  depth: number;
}

/** Why `path` cannot be the path of an entry, or undefined when it can. */
export function pathRefusal(path: Buffer, limits: PathLimits): string | undefined {
  if (path.length === 0) return "an empty path";
  if (path.length > limits.pathBytes) return `a path of more than ${limits.pathBytes} bytes`;
  if (path.includes(0)) return "a path with a NUL";
  if (path[0] === 0x2f) return "an absolute path";
  const names = path.toString("latin1").split("/");
  if (names.length > limits.depth + 1) return `a path of more than ${limits.depth + 1} names`;
  for (const name of names) {
    if (name === "") return "a path with an empty name";
    if (name === "." || name === "..") return `a path with the name "${name}"`;
    if (name.length > nameBytes) return `a name of more than ${nameBytes} bytes`;
  }
  return undefined;
}

/** Why `target` cannot be kept as the target of a symlink. Where it leads is not asked: it is never followed. */
export function targetRefusal(target: Buffer): string | undefined {
  if (target.length === 0) return "a symlink without a target";
  if (target.includes(0)) return "a symlink whose target has a NUL";
  if (target.length > targetBytes) return `a target of more than ${targetBytes} bytes`;
  return undefined;
}
