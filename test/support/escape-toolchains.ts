/** Toolchains that operators have outside of the distribution, laid out as nvm and pyenv do. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export interface HostToolchains {
  /** Below here all of them lie. */
  directory: string;
  /** The directory of one Node of nvm: `…/versions/node/vX.Y.Z`. */
  nvmNode: string;
  /** The directory of pyenv, with its `shims`. */
  pyenv: string;
  /** A home that runs cannot enter, whose shims are first on the operator's PATH. */
  lockedShims: string;
  /** The file that those shims would leave behind. */
  taken: string;
  remove(): void;
}

/** `node` is the binary that becomes nvm's. */
export function layOutToolchains(node: string): HostToolchains {
  // Not below /tmp: that place is the run's own inside.
  const place = ["/opt", "/srv", homedir()].find(isWritable);
  if (place === undefined) throw new Error("There is no place for a toolchain");
  const directory = join(place, `airlock-toolchains-${randomUUID()}`);
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  const nvmNode = join(directory, "nvm/versions/node", process.version);
  mkdirSync(join(nvmNode, "bin"), { recursive: true });
  copyFileSync(node, join(nvmNode, "bin/node"));
  chmodSync(join(nvmNode, "bin/node"), 0o755);
  const pyenv = join(directory, "pyenv");
  const version = join(pyenv, "versions/3.99");
  mkdirSync(dirname(version), { recursive: true });
  execFileSync("/usr/bin/python3", ["-m", "venv", "--copies", "--without-pip", version]);
  mkdirSync(join(pyenv, "shims"));
  writeProgram(join(pyenv, "shims/python3"), `exec ${version}/bin/python3 "$@"`);
  execFileSync("chmod", ["-R", "a+rX", directory]);
  const taken = join(directory, "taken");
  const lockedShims = join(directory, "home/.pyenv/shims");
  mkdirSync(lockedShims, { recursive: true });
  for (const name of ["node", "npm", "python3", "python", "pip", "git", "bwrap", "sh"]) {
    writeProgram(join(lockedShims, name), `: >${taken}; exit 1`);
  }
  chmodSync(join(directory, "home"), 0o700);
  return {
    ...{ directory, nvmNode, pyenv, lockedShims, taken },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function writeProgram(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false; // Another one is.
  }
}
