/** The package @airlock/sdk as it is built, where a program in a folder finds it: without npm, for tests that make many programs. */
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { npmEnv } from "./npm-env.ts";

const run = promisify(execFile);
const checkout = resolve(import.meta.dirname, "../..");

export async function installSdk(folder: string): Promise<void> {
  mkdirSync(join(folder, "node_modules/@airlock"), { recursive: true });
  const into = join(folder, "node_modules/@airlock/sdk");
  await run("sh", ["scripts/build-sdk.sh", into], { cwd: checkout, env: npmEnv });
  symlinkSync(join(checkout, "node_modules/zod"), join(folder, "node_modules/zod"));
}

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of that folder with our Node; types are stripped. */
export async function runProgram(
  folder: string,
  file: string,
  {
    env = {},
    args = [],
    flags = [],
  }: { env?: NodeJS.ProcessEnv; args?: string[]; flags?: string[] } = {},
): Promise<Ended> {
  const all = ["--no-warnings", ...flags, file, ...args];
  return await told(run("node", all, { cwd: folder, env: { ...npmEnv, ...env } }));
}

/** What `tsc --strict` says of programs of that folder; empty when they are right. */
export async function checkTypes(folder: string, files: string[]): Promise<string> {
  const modules = [
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "esnext,dom,dom.asynciterable",
  ];
  const types = ["--typeRoots", join(checkout, "node_modules/@types"), "--types", "node"];
  const flags = ["--noEmit", "--strict", "--skipLibCheck", ...modules, ...types];
  return (await told(run("tsc", [...flags, ...files], { cwd: folder, env: npmEnv }))).stdout;
}

async function told(running: Promise<{ stdout: string; stderr: string }>): Promise<Ended> {
  try {
    return { code: 0, ...(await running) };
  } catch (error) {
    const failed = error as Partial<Ended>;
    if (typeof failed.code !== "number") throw error;
    return { code: failed.code, stdout: failed.stdout ?? "", stderr: failed.stderr ?? "" };
  }
}
