import { constants, existsSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { Problem } from "../contract/problem.ts";
import { firstBlocked, type Identity } from "./identity.ts";

/**
 * Places that are ours or the host's system: a toolchain over one of them would replace what it
 * promises.
 */
const reserved = [
  ..."/usr /etc /proc /sys /dev /run /var /airlock /antpath /bin /sbin /lib /lib64".split(" "),
  ..."/tmp /workspace /cache".split(" "),
];

export interface Toolchains {
  directories: string[];
  /** Where their programs are, first on PATH. */
  bins: string[];
}

/**
 * Checks the operator's toolchain directories. Throws `sandbox_unavailable` naming the one that is
 * missing, in a place that is not its own, or not readable for the uid of a run, with the remedy.
 */
export function openToolchains(directories: string[], identity: Identity): Toolchains {
  for (const directory of directories) checkToolchain(directory, identity);
  const bins = directories.flatMap((directory) =>
    ["bin", "shims"].map((name) => join(directory, name)).filter((path) => existsSync(path)),
  );
  return { directories, bins };
}

function checkToolchain(directory: string, identity: Identity): void {
  const refuse = (reason: string) => {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot use the toolchain ${JSON.stringify(directory)}: ${reason}`,
    );
  };
  if (!isAbsolute(directory) || normalize(directory) !== directory || directory === "/") {
    refuse("expected an absolute path without '.', '..' or a slash at its end");
  }
  if (reserved.some((path) => directory === path || directory.startsWith(`${path}/`))) {
    refuse("it lies in a place that the sandbox fills itself. Move it, for example below /opt");
  }
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    refuse("expected a directory that exists");
  }
  const blocked = identity
    ? firstBlocked(realpathSync(directory), { uid: identity.first, gid: identity.gid })
    : undefined;
  if (blocked !== undefined) {
    refuse(
      `runs have a uid of their own, which may not pass ${JSON.stringify(blocked)}. ` +
        "Move it to a directory that everybody may read, for example below /opt",
    );
  }
  const worldReadable = (statSync(directory).mode & constants.S_IROTH) !== 0;
  if (identity && !worldReadable)
    refuse(`it must be readable for everybody: chmod o+rx ${directory}`);
}
