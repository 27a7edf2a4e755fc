import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { promisify } from "node:util";
import { Problem } from "../contract/problem.ts";

const run = promisify(execFile);

export interface BwrapProgram {
  path: string;
  version: string;
}

/**
 * The distribution's own place first: Ubuntu's permission for user namespaces is bound to that
 * path.
 */
const places = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
const install =
  "Install bubblewrap 0.8.0 or later from the distribution, for example with " +
  "apt-get install bubblewrap";

/**
 * Finds bwrap and checks that it is new enough for `--disable-userns` and not setuid (a setuid
 * bwrap refuses the options that the sandbox needs). Throws `sandbox_unavailable`.
 */
export async function findBwrap(path?: string): Promise<BwrapProgram> {
  const found = (path === undefined ? places : [path]).find((place) =>
    statSync(place, { throwIfNoEntry: false })?.isFile(),
  );
  if (found === undefined)
    throw new Problem("sandbox_unavailable", `Cannot find bwrap. ${install}`);
  if ((statSync(found).mode & 0o6000) !== 0) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot use ${found}: it is setuid. Take the bit away: chmod u-s,g-s ${found}`,
    );
  }
  const version = await versionOf(found);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major === 0 && minor < 8) {
    throw new Problem("sandbox_unavailable", `Cannot use bubblewrap ${version}. ${install}`);
  }
  return { path: found, version };
}

async function versionOf(path: string): Promise<string> {
  const options = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", timeout: 10_000 };
  try {
    const { stdout } = await run(path, ["--version"], options);
    const version = /(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
    if (version !== undefined) return version;
  } catch (error) {
    throw new Problem("sandbox_unavailable", `Cannot start ${path}. ${install}`, undefined, {
      cause: error,
    });
  }
  throw new Problem("sandbox_unavailable", `Cannot read the version of ${path}. ${install}`);
}
