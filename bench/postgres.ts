import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./group.ts";
import { findProgram } from "./peers.ts";

export interface Postgres {
  url: string;
  close(): Promise<void>;
}

/** Starts the host's own Postgres on a new directory, synced as it comes. Throws when there is none. */
export async function openPostgres(bench: Bench): Promise<Postgres> {
  const further = globSync("/usr/lib/postgresql/*/bin").toSorted().reverse();
  const initdb = findProgram("initdb", further);
  const postgres = initdb && join(dirname(initdb), "postgres");
  if (initdb === undefined || postgres === undefined)
    throw new Error("Postgres is not installed on this host");
  const parent = bench.newDirectory("postgres");
  const data = join(parent, "data");
  mkdirSync(data, { mode: 0o700 });
  const owner = serverUser();
  if (owner) chownSync(data, owner.uid, owner.gid);
  const options = { ...owner, cwd: parent, stdio: "ignore" as const };
  execFileSync(initdb, ["-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8"], options);
  const port = await freePort();
  const where = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", data];
  const server = spawn(postgres, where, options);
  try {
    await untilReady(server, join(data, "postmaster.pid"));
  } catch (error) {
    server.kill("SIGKILL");
    throw error;
  }
  return {
    url: `postgres://bench@127.0.0.1:${port}/postgres`,
    async close() {
      const gone = once(server, "exit");
      // A fast shutdown: it waits for no client.
      server.kill("SIGINT");
      await gone;
    },
  };
}

/** Postgres refuses to be root: the user of its package, or nobody. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = users.find((user) => user.startsWith("postgres:"));
  const [, , uid = "65534", gid = "65534"] = (line ?? "").split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (typeof address !== "object" || address === null) throw new Error("There is no free port");
  return address.port;
}

/** The last line of its pid file says how far it is. */
async function untilReady(server: ChildProcess, pidFile: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (server.exitCode !== null) throw new Error(`Postgres ended with ${server.exitCode}`);
    await sleep(50);
    try {
      if (readFileSync(pidFile, "utf8").includes("ready")) return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }
  throw new Error("Postgres was not ready after 10 s");
}
