const roots = ["/opt", "/deps", "/tmp", "/workspace"];
const pathBytesMax = 512;
/** More than any artifact has layers; each is a mount that every command of the run pays for. */
export const mountsMax = 64;

/**
 * Says in words why a layer cannot be mounted at this path of a sandbox, or undefined when it can. Only below these
 * directories: what lies elsewhere is the host's or the sandbox's own, and must stay what it is.
 */
export function mountProblem(path: string): string | undefined {
  if (Buffer.byteLength(path) > pathBytesMax) return `must not exceed ${pathBytesMax} bytes`;
  if (!path.isWellFormed() || /[\p{Cc}\\]/u.test(path)) {
    return "must not contain control characters or a backslash";
  }
  if (!path.startsWith("/")) return "must be absolute";
  const names = path.slice(1).split("/");
  if (names.some((name) => ["", ".", ".."].includes(name))) {
    return "must be normalised: no empty, '.' or '..' names and no slash at the end";
  }
  if (names.some((name) => Buffer.byteLength(name) > 255))
    return "has a name longer than 255 bytes";
  if (!roots.some((root) => path.startsWith(`${root}/`))) {
    return `must be below ${roots.slice(0, -1).join(", ")} or ${roots.at(-1)}`;
  }
  return undefined;
}

/** Two of these paths that cannot be mounted side by side: the same one twice, or one inside another. */
export function nestedMounts(paths: readonly string[]): [string, string] | undefined {
  const sorted = [...paths].map((path) => `${path}/`).sort();
  for (const [index, path] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next?.startsWith(path)) return [path.slice(0, -1), next.slice(0, -1)];
  }
  return undefined;
}
