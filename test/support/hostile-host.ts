/**
 * A gateway that endures: a hostile run beside a benign one, and a list of all that was not as it
 * has to be afterwards. Judged from outside, on the host: processes, directories, control groups,
 * memory and disk.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { starterScript } from "../../src/sandbox/starter-script.ts";
import type { AirlockClient, Run, RunEvent, RunRef } from "../../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./airlock-api.ts";
import { attacker, type CallResult, openEscapeHost } from "./escape-host.ts";
import type { GatewayIdentity } from "./escape-identities.ts";
import { within } from "./processes.ts";
import { resultsIn } from "./results-of.ts";
import type { StartedGateway } from "./start-gateway.ts";

export const MiB = 1024 * 1024;
export const isSoak = process.env.AIRLOCK_SOAK === "1";
/** Of one test, in milliseconds: a busy disk makes two thousand files a second. */
export const timeout = isSoak ? 600_000 : 120_000;

/** What no run of these tests may exceed, whatever it asks for: the machine has other users. */
const ceilings = {
  AIRLOCK_RUN_PROCESSES: "128",
  AIRLOCK_RUN_MEMORY_BYTES: String(256 * MiB),
  AIRLOCK_RUN_DISK_BYTES: String(256 * MiB),
  AIRLOCK_CALL_SECONDS: "600",
  AIRLOCK_MAX_RUNS: "32",
  AIRLOCK_MAX_RUNS_PER_WORKSPACE: "32",
};

type Submission = Parameters<AirlockClient["submitRun"]>[0];

export interface Hostility {
  /** Each is a call of its own, as a shell script. */
  commands: string[];
  limits?: NonNullable<Submission["limits"]>;
  files?: NonNullable<Submission["files"]>;
  outputDirs?: string[];
  /** The most that the gateway's memory may grow meanwhile; `growthBytes` unless told otherwise. */
  growthBytes?: number;
  /** The most that may stay on disk for good: outputs, whole command output, the journal. */
  keptBytes?: number;
}

/** Bound of the gateway's memory over any one hostile run and a benign one, unless a row has its own. */
export const growthBytes = 96 * MiB;
const keptBytes = 8 * MiB;

export interface Endured {
  run: Run;
  ref: RunRef;
  history: RunEvent[];
  results: CallResult[];
  /** All that is wrong with the gateway, the host or the run beside it; empty when it held. */
  defects: string[];
  grewBytes: number;
}

/** The longest that a hostile command may take unless its row says so. */
const callSeconds = 10;

export interface HostileHost {
  gateway: StartedGateway;
  endure(hostility: Hostility): Promise<Endured>;
  close(): Promise<void>;
}

/** Works, all the time that it is let: starts programs, writes files. Then says what it made. */
const benignWork = `
echo working
until [ -e /workspace/go ]; do seq 50 | tail -n 1 > /workspace/out/last; sleep 0.05; done
seq 1000 | sha256sum | tee /workspace/out/sum`;
const benignSum = createHash("sha256")
  .update(Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join(""))
  .digest("hex");

export async function openHostileHost(
  identity: GatewayIdentity,
  env: Record<string, string> = {},
): Promise<HostileHost> {
  const host = await openEscapeHost(identity, {
    env: { ...ceilings, AIRLOCK_LOG_LEVEL: "warn", ...env },
  });
  const { gateway } = host;
  try {
    // What the first runs load for good is not the growth of a later one.
    for (let count = 0; count < 2; count++) {
      const { defects } = await endure(gateway, { commands: ["true"], growthBytes: 512 * MiB });
      if (defects.length > 0) throw new Error(`Nothing hostile, and yet: ${defects.join("; ")}`);
    }
  } catch (error) {
    await host.close();
    throw error;
  }
  return { gateway, endure: (hostility) => endure(gateway, hostility), close: () => host.close() };
}

export async function submitHostile(
  gateway: StartedGateway,
  { commands, limits, files = [], outputDirs }: Hostility,
): Promise<RunRef> {
  return clientOf(gateway).submitRun({
    model: `scripted/calls-${commands.length}`,
    prompt: "Do harm.",
    agent: attacker,
    files: [
      { path: ".attack/facts", content: "" },
      ...commands.map((content, index) => ({ path: `.attack/${index}.sh`, content })),
      ...files,
    ],
    limits: { callSeconds, ...limits },
    ...(outputDirs ? { outputDirs } : {}),
  });
}

/** A run that works until it is let go. Resolves once it is at work. */
export async function startBenign(gateway: StartedGateway) {
  const run = await clientOf(gateway).submitRun({
    model: "scripted/calls-1",
    prompt: "Do something useful.",
    files: [
      { path: ".attack/facts", content: "" },
      { path: ".attack/0.sh", content: benignWork },
    ],
    outputDirs: ["/workspace/out"],
  });
  for await (const event of run.stream({ live: true })) if (event.type === "call.output") break;
  return {
    /** Lets it end; what was not right about it. */
    async finish(): Promise<string[]> {
      const workspace = join(gateway.dataDir, "runs", run.id, "workspace");
      if (existsSync(workspace)) writeFileSync(join(workspace, "go"), "");
      const ended = await run.wait();
      const [result] = resultsIn(await historyOf(gateway, run.id));
      const outputs = ended.status === "succeeded" ? await run.outputs() : [];
      const isWhole =
        result?.ok === true &&
        result.stderr === "" &&
        result.stdout === `working\n${benignSum}  -\n` &&
        outputs.length === 2;
      if (isWhole) return [];
      return [`the benign run: ${ended.status} ${ended.message} ${JSON.stringify(result)}`];
    },
  };
}

async function endure(gateway: StartedGateway, hostility: Hostility): Promise<Endured> {
  const groups = controlGroups(gateway.dataDir);
  const disk = diskUse(gateway.dataDir);
  const before = memoryOf(gateway.pid, "VmRSS");
  // The peak is counted from here.
  writeFileSync(`/proc/${gateway.pid}/clear_refs`, "5");
  const benign = await startBenign(gateway);
  const ref = await submitHostile(gateway, hostility);
  const { ended, defects } = await askWhile(gateway, ref.wait());
  const run = await ended;
  defects.push(...(await benign.finish()));
  const history = await historyOf(gateway, ref.id);
  const grewBytes = memoryOf(gateway.pid, "VmHWM") - before;
  const mayGrow = hostility.growthBytes ?? growthBytes;
  if (grewBytes > mayGrow) defects.push(`the gateway grew by ${grewBytes} bytes, over ${mayGrow}`);
  const keeps = diskUse(gateway.dataDir) - disk;
  const mayKeep = hostility.keptBytes ?? keptBytes;
  if (keeps > mayKeep) defects.push(`${keeps} bytes are kept on disk, over ${mayKeep}`);
  defects.push(...defectsOf(ref.id, history), ...leftovers(gateway, run));
  const isBack = () => controlGroups(gateway.dataDir).length <= groups.length;
  if (!(await within(10_000, isBack))) {
    defects.push(`control groups are left: ${controlGroups(gateway.dataDir).join(" ")}`);
  }
  const results = resultsIn(history) as CallResult[];
  return { run, ref, history, results, defects, grewBytes };
}

/** Asks the gateway one thing after the other, until the work is done: what it did not answer, and how long it took. */
export async function askWhile<T>(gateway: StartedGateway, work: Promise<T>) {
  const defects: string[] = [];
  const tookMs: number[] = [];
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  // The caller awaits it, after the last answer.
  ended.catch(() => undefined);
  while (!isOver) {
    for (const path of ["/healthz", "/api/runs?limit=5"]) {
      const began = performance.now();
      const { status } = await call(gateway, "GET", path);
      tookMs.push(performance.now() - began);
      if (status !== 200) defects.push(`${path} answered ${status}`);
    }
    await within(20, () => isOver);
  }
  return { ended, defects, tookMs };
}

/** What a run that has ended left behind on the host. */
export function leftovers(gateway: StartedGateway, run: Run): string[] {
  const defects: string[] = [];
  if (run.cleanup_status !== "succeeded") defects.push(`cleanup is ${run.cleanup_status}`);
  if (existsSync(join(gateway.dataDir, "runs", run.id))) defects.push("its directory is left");
  const processes = processesOfRun(run.id);
  if (processes.length > 0) defects.push(`processes are left: ${processes.join(" ")}`);
  const held = deletedFilesOf(gateway.pid);
  if (held.length > 0) defects.push(`the gateway holds deleted files: ${held.join(" ")}`);
  return defects;
}

/** The host's processes in any sandbox of this run, whatever they call themselves: by their mounts. */
export function processesOfRun(runId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/mountinfo`, "latin1").includes(runId);
      } catch {
        return false; // It ended between the two looks, or it is not ours to look at.
      }
    });
}

/** Files without a name that still take space. The database's own are small and named. */
function deletedFilesOf(pid: number): string[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`);
  return fds.flatMap((fd) => {
    try {
      const target = readlinkSync(fd);
      return target.endsWith(" (deleted)") && statSync(fd).size > 0 ? [target] : [];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}

function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
}

/** Of everything but the places of runs, which are removed and looked at by themselves. */
function diskUse(dataDir: string): number {
  const said = execFileSync("du", ["-sk", "--exclude=runs", "--exclude=removed", dataDir], {
    encoding: "utf8",
  });
  return Number.parseInt(said, 10) * 1024;
}

/** The control groups of single commands; none where a watchdog keeps the limits. */
function controlGroups(dataDir: string): string[] {
  const digest = createHash("sha256").update(realpathSync(dataDir)).digest("hex").slice(0, 12);
  const all = ["/sys/fs/cgroup", "-type", "d", "-path", `*/airlock-${digest}/*`];
  // Groups of others that vanish meanwhile make it fail, and say what it found all the same.
  const { stdout } = spawnSync("find", all, { encoding: "utf8" });
  return stdout.split("\n").filter((path) => path !== "" && !isOfNobody(path));
}

/** Whether all that is in it waits to become a sandbox: nothing of any run was ever there. */
function isOfNobody(group: string): boolean {
  try {
    const pids = readFileSync(join(group, "cgroup.procs"), "latin1").split("\n").filter(Boolean);
    return pids.length > 0 && pids.every((pid) => waitsForSandbox(pid));
  } catch {
    return true; // It went between the two looks.
  }
}

function waitsForSandbox(pid: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(`/bin/sh\0-c\0${starterScript}`);
}
