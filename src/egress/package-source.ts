import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";

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

/** What may not be looked at cannot be mounted either: the run's user sees no more than ours. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
