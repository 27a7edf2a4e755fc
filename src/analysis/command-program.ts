import { posix } from "node:path";

/** Where the sandbox finds programs by their bare name. */
const systemDirectories = new Set([
  ...["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"],
  ...["/airlock/bin", "/airlock", "/antpath", "/usr/games"],
]);

/** Every command starts here; how far `..` reaches is known from it. */
const workingDirectory = "/tmp";

/**
 * Which program a command word starts: the bare name for what comes from PATH or from a directory of the system,
 * however it is spelt, else the path as it is written.
 */
export function programOf(word: string): string {
  if (!word.includes("/")) return word;
  const path = posix.resolve(workingDirectory, word).replace(/^(\/proc\/[^/]+\/root)+(?=\/)/, "");
  return systemDirectories.has(posix.dirname(path)) ? posix.basename(path) : word;
}

/** Whether a program is a file that was named by its path. */
export function isPath(program: string): boolean {
  return program.includes("/");
}
