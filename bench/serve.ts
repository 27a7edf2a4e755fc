import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "..");

/** Set by the test of the benchmark alone, whose figures mean nothing. */
const compiled = process.env.NODE_COMPILE_CACHE;

/** Of what the gateway says, for the case that it does not start; characters. */
const saidMax = 4_000;

export interface Served {
  url: string;
  token: string;
  pid: number;
  /** SIGTERM, and gone. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  dataDir: string;
  /** What the model `scripted/<name>` says. */
  scripts: Record<string, unknown>;
  env?: Record<string, string>;
}

/** Starts a gateway as a process of its own, as an operator does. `started` is called before it is ready. */
export async function serve(options: ServeOptions, spawned?: () => void): Promise<Served> {
  const { dataDir, scripts, env } = options;
  const scriptFile = join(dataDir, "script.json");
  writeFileSync(scriptFile, JSON.stringify({ scripts }));
  const child = spawn(process.execPath, [join(root, "src/main.ts"), "serve", "--port", "0"], {
    cwd: root,
    env: {
      ...{ PATH: "/usr/local/bin:/usr/bin:/bin", HOME: dataDir, AIRLOCK_DATA_DIR: dataDir },
      ...{ AIRLOCK_SCRIPTED_MODEL: scriptFile, AIRLOCK_LOG_LEVEL: "error" },
      ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }),
      ...{ AIRLOCK_RUN_TURNS: "1000000", AIRLOCK_RUN_CALLS: "1000000" },
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  spawned?.();
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-saidMax);
  });
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  process.once("exit", () => child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /https?:\/\/[\w.[\]:-]+:\d+/.exec(line)?.[0];
    if (url === undefined) continue;
    // Whatever else it says must not fill the pipe.
    child.stdout.resume();
    const token = readFileSync(join(dataDir, "admin-token"), "utf8").trim();
    return { url, token, pid: child.pid ?? 0, stop };
  }
  throw new Error(`The gateway ended before it was ready:\n${said}`);
}
