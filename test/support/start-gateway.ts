/**
 * A whole gateway as a process of its own, as an operator starts it: for tests that kill it, read what it leaves on disk,
 * or run it as another user. The script file is played by the model `scripted/…`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesWithSecret, findSecret, newCanary } from "./canary.ts";
import { checkoutFor } from "./checkout-for.ts";
import { compileCache } from "./compile-cache.ts";
import { removeTree } from "./remove-tree.ts";

export interface GatewayStart {
  /** Default: a new directory below the system's temporary one, removed by `stop`. */
  dataDir?: string;
  /** What the scripted model says: `{turns: [...]}`. */
  script?: unknown;
  env?: Record<string, string>;
  /** Options of `airlock serve` after the ones that are always given. */
  args?: string[];
  /** Host user to run as; needs root. */
  uid?: number;
  /** Modules loaded before the gateway, by path. */
  preload?: string[];
  /** The program that takes `serve`, in place of this checkout's: a path and the arguments before it. */
  program?: string[];
  /** Descriptors of this process that the gateway inherits: the first becomes its fd 3. */
  inherit?: number[];
}

export interface StartedGateway {
  url: string;
  /** The token of the first start, with every scope. */
  token: string;
  pid: number;
  dataDir: string;
  /** What it wrote to stderr (the log) and stdout so far. */
  log(): string;
  stdout(): string;
  /** SIGKILL, and gone. */
  kill9(): Promise<void>;
  /** SIGTERM, and gone; the data directory too when `startGateway` made it. Resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Resolves when it ends by itself or by `kill-after-event.ts`. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * In the vault of every gateway that tests start: wherever the suite leads it, no file and no line of a gateway may hold it
 * (J01). One value for all gateways of this process, so that a data directory that is started again has the same.
 */
const suiteCanary = newCanary();

const alive = new Set<ChildProcess>();
const made = new Set<string>();

// A test that fails half-way leaves neither a gateway nor its data behind.
process.once("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
  for (const dir of made) removeTree(dir);
});

/** Starts a gateway on a free port and resolves once it answers. Throws with its log when it ends before that. */
export async function startGateway(options: GatewayStart = {}): Promise<StartedGateway> {
  const dataDir = options.dataDir ?? newDataDir(options.uid);
  const scriptFile = join(dataDir, "script.json");
  if (options.script !== undefined) {
    writeFileSync(scriptFile, JSON.stringify(options.script), { mode: 0o644 });
  }
  const { node, root } = checkoutFor(options.uid);
  const preload = (options.preload ?? []).flatMap((path) => ["--import", join(root, path)]);
  const [file = node, ...before] = options.program ?? [node, ...preload, join(root, "src/main.ts")];
  const child = spawn(file, [...before, "serve", "--port", "0", ...(options.args ?? [])], {
    cwd: root,
    env: {
      PATH: `${join(root, "node_modules/.bin")}:/usr/local/bin:/usr/bin:/bin`,
      HOME: dataDir,
      AIRLOCK_DATA_DIR: dataDir,
      // Another user may not write there, and another program may count what is written.
      ...(options.uid === undefined && options.program === undefined ? compileCache : {}),
      ...(existsSync(scriptFile) ? { AIRLOCK_SCRIPTED_MODEL: scriptFile } : {}),
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe", ...(options.inherit ?? [])],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  alive.add(child);
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => {
      alive.delete(child);
      resolve({ code, signal });
    });
    child.once("error", (error) => {
      alive.delete(child);
      output.stderr += `${error.message}\n`;
      resolve({ code: null, signal: null });
    });
  });
  const url = await readyUrl(child, output, ended);
  const token = readFileSync(join(dataDir, "admin-token"), "utf8").trim();
  await setCanary(url, token);
  const checked = () => checkCanary(dataDir, output.stdout + output.stderr);
  return {
    ...{ url, token },
    pid: child.pid as number,
    dataDir,
    log: () => output.stderr,
    stdout: () => output.stdout,
    ended,
    async kill9() {
      child.kill("SIGKILL");
      await ended;
      checked();
    },
    async stop() {
      child.kill("SIGTERM");
      const { code } = await ended;
      checked();
      if (options.dataDir === undefined) removeTree(dataDir);
      return code;
    },
  };
}

/** A data directory that runs of any host uid can walk through (0711), owned by the user that will serve from it. */
export function newDataDir(uid?: number): string {
  const dir = join(tmpdir(), `airlock-data-${randomUUID()}`);
  mkdirSync(dir, { mode: 0o711 });
  made.add(dir);
  if (uid !== undefined) chownSync(dir, uid, uid);
  return dir;
}

async function setCanary(url: string, token: string): Promise<void> {
  const answer = await fetch(`${url}/api/secrets/SUITE_CANARY`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ value: suiteCanary }),
  });
  await answer.body?.cancel();
}

/** The runtime is 150 MB of our own programs, and a run's directories are its own code's. */
function checkCanary(dataDir: string, said: string): void {
  if (!existsSync(dataDir)) return;
  const found = filesWithSecret(dataDir, suiteCanary, ["runtime", "runs", "script.json"]);
  if (found.length > 0) throw new Error(`The suite's canary is in ${found.join(", ")}`);
  const spellings = findSecret(Buffer.from(said), suiteCanary);
  if (spellings.length > 0) throw new Error(`The suite's canary was logged: ${spellings.join()}`);
}

/** The ready line is the only thing that `serve` says on stdout before it is asked something. */
async function readyUrl(
  child: ChildProcess,
  output: { stdout: string; stderr: string },
  ended: Promise<unknown>,
): Promise<string> {
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  for (;;) {
    const url = /https?:\/\/[\w.[\]:-]+:\d+/.exec(output.stdout)?.[0];
    if (url !== undefined) return url;
    try {
      if (child.stdout === null) throw new TypeError("The gateway has no stdout");
      await once(child.stdout, "data", { signal: gone.signal });
    } catch (cause) {
      throw new Error(`The gateway ended before it was ready:\n${output.stdout}${output.stderr}`, {
        cause,
      });
    }
  }
}
