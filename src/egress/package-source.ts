import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";

import { limits } from "../base/limits.ts";
import type { PackageSource } from "./package-findings.ts";

/** This machine. What cannot be read, or is larger than a configuration ever is, is not there. */
export function hostPackageSource(env: PackageSource["env"]): PackageSource {
  return {
    env,
    home: env.HOME || homedir(),
    readFile: readSmallFile,
    isDirectory,
  };
}

/** Opened without waiting and asked what it is, because a FIFO in its place would hold the gateway's start for ever. */
function readSmallFile(path: string): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile() || stat.size > limits.packageConfigurationBytes) return undefined;
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A root gateway's runs have users of their own, to whom only what is open to everybody is open. */
function isDirectory(path: string): boolean {
  const isRoot = process.getuid?.() === 0;
  try {
    const stat = statSync(path);
    if (!stat.isDirectory()) return false;
    if (!isRoot) accessSync(path, constants.R_OK | constants.X_OK);
    else if ((stat.mode & 0o005) !== 0o005) return false;
    for (let above = dirname(path); isRoot && above !== "/"; above = dirname(above)) {
      if ((statSync(above).mode & 0o001) === 0) return false;
    }
    return true;
  } catch {
    return false;
  }
}
