/**
 * What Airlock is measured against. The packages live in `bench/peers` with a lock file of their own, so that nobody
 * who installs Airlock gets them; the first benchmark installs them. A peer that cannot be had is a row that says so.
 */
import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Bench } from "./group.ts";

const directory = join(import.meta.dirname, "peers");

/** A peer that runs one command. */
export interface CommandPeer {
  name: string;
  what: string;
  once(): Promise<void>;
  close(): Promise<void>;
}

/** A peer that runs durable steps. */
export interface StepsPeer {
  run(runs: number, stepsEach: number): Promise<void>;
  close(): Promise<void>;
}

export const commandPeers = [
  {
    ...{ name: "sandbox-runtime", needs: ["bwrap", "socat", "rg"] },
    what: "`@anthropic-ai/sandbox-runtime`, wrap and spawn",
  },
  { name: "just-bash", needs: [], what: "`just-bash`, in-process, no isolation by the system" },
] as const;

/** Loads `peers/<name>.mjs` and opens it, installing the packages of the peers when they are not there. */
export async function openPeer<T>(bench: Bench, name: string, options: object = {}): Promise<T> {
  await install(bench);
  const path = pathToFileURL(join(directory, `${name}.mjs`)).href;
  const module = (await import(path)) as { open(options: object): Promise<T> };
  return module.open(options);
}

/** Opens every peer that runs a command, or says of each why it cannot be had. */
export async function openCommandPeers(
  bench: Bench,
): Promise<{ opened: CommandPeer[]; refused: { name: string; what: string; why: unknown }[] }> {
  const opened: CommandPeer[] = [];
  const refused: { name: string; what: string; why: unknown }[] = [];
  for (const { name, what, needs } of commandPeers) {
    try {
      const missing = needs.filter((program) => findProgram(program) === undefined);
      if (missing.length > 0)
        throw new Error(`${missing.join(" and ")} not installed on this host`);
      const peer = await openPeer<Omit<CommandPeer, "name" | "what">>(bench, name);
      opened.push({ name, what, once: peer.once, close: peer.close });
    } catch (error) {
      refused.push({ name, what, why: error });
    }
  }
  return { opened, refused };
}

/** The path of a program of the host, also where Debian hides Postgres. */
export function findProgram(name: string, further: string[] = []): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), ...further];
  return directories.map((dir) => join(dir, name)).find((path) => existsSync(path));
}

async function install(bench: Bench): Promise<void> {
  if (!bench.peers) throw new Error("peers were left out");
  await installPackages(bench, directory);
}

/** Brings the packages of a directory's lock into its `node_modules`, unless they are there. */
export async function installPackages(bench: Bench, directory: string): Promise<void> {
  const installed = join(directory, "node_modules/.package-lock.json");
  const wanted = join(directory, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  bench.say(`installing the packages of bench/${basename(directory)}`);
  const npm = join(
    dirname(createRequire(import.meta.url).resolve("npm/package.json")),
    "bin/npm-cli.js",
  );
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  await promisify(execFile)(process.execPath, ["--use-system-ca", npm, "ci", ...quiet], {
    cwd: directory,
    timeout: 300_000,
  });
}
