import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/**
 * A copy of a cargo of this machine that knows an index of single files (1.68), in a directory of programs that every
 * user can read: rustup keeps its own in a home. Undefined when there is none.
 */
export function findNewCargo(directory: string): string | undefined {
  const said = (command: string) =>
    execFileSync("sh", ["-c", `${command} 2>/dev/null || true`], { encoding: "utf8" }).trim();
  for (const find of ["rustup which cargo", "command -v cargo", "echo /usr/bin/cargo"]) {
    const path = said(find);
    if (path === "" || !existsSync(path)) continue;
    const [, minor = "0"] = /^cargo 1\.(\d+)\./.exec(said(`${path} --version`)) ?? [];
    if (Number(minor) < 68) continue;
    const programs = join(directory, "programs");
    mkdirSync(programs, { recursive: true });
    copyFileSync(path, join(programs, "cargo"));
    return programs;
  }
  return undefined;
}
