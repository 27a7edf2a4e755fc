import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import type { Clock } from "../../src/base/clock.ts";
import { limits } from "../../src/base/limits.ts";
import { openLog } from "../../src/base/log.ts";
import type { LiveEvent, RunEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { Output } from "../../src/contract/output.ts";
import { Problem } from "../../src/contract/problem.ts";
import { isEnd, type Run } from "../../src/contract/run.ts";
import type { Scope, Token } from "../../src/contract/token.ts";
import { createHttp, type HttpOptions } from "../../src/http/http.ts";
import type { Corridor, SubmitRequest } from "../../src/run/run.ts";
import { allowed, emptyApprovals, emptyInteractions } from "./empty-approvals.ts";
import { emptyInventory } from "./empty-inventory.ts";
import { memorySecrets, noProxy } from "./memory-secrets.ts";
import { noAgents } from "./no-agents.ts";
import { noBundles } from "./no-bundles.ts";

/*
 * The front door in front of a corridor that keeps everything in memory: small, but it keeps the promises of the
 * interface (scoped by workspace, ordered events, streams that end), so that only the door is under test.
 */

export type AnyEvent = RunEvent | LiveEvent;

interface Held {
  run: Run;
  events: RunEvent[];
  outputs: { output: Output; bytes: Buffer }[];
  listeners: Set<(event: AnyEvent) => void>;
}

export interface FrontDoor extends ReturnType<typeof createHttp> {
  corridor: Corridor;
  clock: HandClock;
  /** What the door logged, as text. */
  logged(): string;
  submitted: SubmitRequest[];
  /** Digest and size of everything uploaded, and the most that one upload held at a time. */
  uploaded: { sha256: string; bytes: number }[];
  /** Streams that `follow` opened and that have not ended. */
  following(): number;
  token(options?: { scopes?: Scope[]; workspaceId?: string; name?: string }): {
    secret: string;
    token: Token;
    header: { authorization: string };
  };
  revoke(tokenId: string): void;
  addRun(workspaceId: string, status?: Run["status"]): Run;
  append(runId: string, type: RunEvent["type"], data?: object): RunEvent;
  sendLive(runId: string, event: LiveEvent): void;
  addOutput(runId: string, name: string, bytes: Buffer, contentType?: string): Output;
}

export function openFrontDoor(overrides: Partial<HttpOptions> = {}): FrontDoor {
  const clock = handClock();
  const logStream = new PassThrough();
  const lines: string[] = [];
  logStream.on("data", (chunk) => lines.push(String(chunk)));
  const memory = openMemory();
  const tokens = openTokens();
  const options: HttpOptions = {
    corridor: memory.corridor,
    inventory: emptyInventory,
    agents: noAgents,
    bundles: noBundles,
    approvals: emptyApprovals,
    interactions: emptyInteractions,
    explain: async () => allowed,
    secrets: memorySecrets(),
    proxy: noProxy,
    tokens,
    upkeep: {
      verify: async () => ({
        ...{ ok: true, runs: 1, events: 2, blobs: 3, bytes: 4, layers: 5 },
        defects: [],
      }),
      gc: async ({ dryRun }) => ({
        ...{
          dryRun,
          blobs: 0,
          bytes: 0,
          tempFiles: 0,
          layers: 0,
          runDirectories: 0,
          retainedRuns: 0,
        },
        kept: { blobs: 0, bytes: 0, young: 0 },
      }),
      doctor: async () => ({ grade: "A", probes: [], notExercised: [] }),
    },
    attestationKey: { id: `sha256:${"0".repeat(64)}`, algorithm: "ed25519", publicKey: "" },
    caps: { maxConcurrentRuns: 8, maxRunDurationMs: 3_600_000 },
    limits: {
      submissionsPerMinute: 1_000_000,
      archivesPerMinute: 1_000_000,
      exportsPerMinute: 1_000_000,
      eventStreams: limits.eventStreams,
      headersMs: 15_000,
      bodyIdleMs: 60_000,
    },
    ready: () => ({ ok: true }),
    version: "0.0.0",
    clock,
    log: openLog("debug", { destination: logStream }),
    ...overrides,
  };
  return {
    ...createHttp(options),
    ...memory,
    corridor: options.corridor,
    clock,
    logged: () => lines.join(""),
    token: tokens.make,
    revoke: (id) => void tokens.revokeNow(id),
  };
}

function openTokens() {
  const bySecret = new Map<string, Token>();
  const make: FrontDoor["token"] = (wanted = {}) => {
    const secret = `alk_${newId("token").slice(4)}`;
    const token: Token = {
      id: newId("token"),
      name: wanted.name ?? "a token",
      workspaceId: wanted.workspaceId ?? newId("workspace"),
      workspaceName: "default",
      scopes: wanted.scopes ?? ["runs"],
      createdAt: new Date(0).toISOString(),
      revokedAt: null,
    };
    bySecret.set(secret, token);
    return { secret, token, header: { authorization: `Bearer ${secret}` } };
  };
  const revokeNow = (tokenId: string) => {
    const token = [...bySecret.values()].find(({ id }) => id === tokenId);
    if (token) token.revokedAt ??= new Date(1).toISOString();
    return token;
  };
  return {
    make,
    revokeNow,
    create: async ({
      name,
      workspaceName,
      scopes,
    }: Parameters<HttpOptions["tokens"]["create"]>[0]) => {
      const { secret, token } = make({ name, scopes });
      token.workspaceName = workspaceName;
      return { token, secret };
    },
    list: async () => [...bySecret.values()],
    revoke: async (tokenId: string) => revokeNow(tokenId),
    find: async (secret: string) => {
      const token = bySecret.get(secret);
      return token?.revokedAt === null ? token : undefined;
    },
    count: async () => bySecret.size,
  };
}

function openMemory() {
  const runs = new Map<string, Held>();
  const submitted: SubmitRequest[] = [];
  const uploaded: { sha256: string; bytes: number }[] = [];
  let following = 0;
  const held = (workspaceId: string, runId: string): Held => {
    const found = runs.get(runId);
    if (found?.run.workspaceId === workspaceId) return found;
    throw new Problem("not_found", `No run has the id "${runId}"`);
  };
  const addRun = (workspaceId: string, status: Run["status"] = "running"): Run => {
    const run = blankRun(workspaceId, status);
    runs.set(run.id, { run, events: [], outputs: [], listeners: new Set() });
    return run;
  };
  const push = (runId: string, event: AnyEvent) => {
    for (const listener of runs.get(runId)?.listeners ?? []) listener(event);
  };
  const append = (runId: string, type: RunEvent["type"], data: object = {}): RunEvent => {
    const found = runs.get(runId);
    if (!found) throw new Error(`no run ${runId}`);
    const seq = found.events.length + 1;
    const event = { runId, seq, time: new Date(0).toISOString(), hash: `h${seq}`, type, data };
    found.events.push(event as RunEvent);
    found.run.lastSeq = seq;
    if (type === "run.finished") found.run.status = "succeeded";
    push(runId, event as RunEvent);
    return event as RunEvent;
  };
  async function* follow(found: Held, since: number, signal: AbortSignal) {
    const queue: AnyEvent[] = found.events.slice(since);
    let wake = () => {};
    const listener = (event: AnyEvent) => {
      queue.push(event);
      wake();
    };
    found.listeners.add(listener);
    signal.addEventListener("abort", () => wake());
    following += 1;
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event) yield event;
        else if (isEnd(found.run.status)) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      following -= 1;
      found.listeners.delete(listener);
    }
  }
  const corridor: Corridor = {
    async upload(source, maxBytes) {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new Problem("payload_too_large", "The upload is too large");
        hash.update(chunk);
      }
      const stored = { sha256: `sha256:${hash.digest("hex")}`, bytes };
      uploaded.push(stored);
      return stored;
    },
    async submit(request) {
      const key = request.submission.idempotencyKey;
      const index =
        key === undefined
          ? -1
          : submitted.findIndex((one) => one.submission.idempotencyKey === key);
      const earlier = submitted[index];
      if (earlier) {
        const run = [...runs.values()][index]?.run;
        if (JSON.stringify(earlier.submission) === JSON.stringify(request.submission) && run) {
          return { created: false, run };
        }
        throw new Problem("idempotency_conflict", "The key was used for another submission", {
          existingRunId: run?.id,
        });
      }
      submitted.push(request);
      return { created: true, run: addRun(request.workspaceId, "queued") };
    },
    fork: async ({ workspaceId }) => ({ created: true, run: addRun(workspaceId, "queued") }),
    execArtifact: async ({ workspaceId }) => ({
      created: true,
      run: addRun(workspaceId, "queued"),
    }),
    get: async (workspaceId, runId) => held(workspaceId, runId).run,
    async list(workspaceId, { status, limit, cursor }) {
      const all = [...runs.values()]
        .map(({ run }) => run)
        .filter((run) => run.workspaceId === workspaceId)
        .filter((run) => !status || status.includes(run.status));
      const from = Number(cursor ?? 0);
      const page = all.slice(from, from + limit);
      const next = from + limit;
      return next < all.length ? { runs: page, nextCursor: String(next) } : { runs: page };
    },
    async tree(workspaceId, runId) {
      const { run } = held(workspaceId, runId);
      return { rootRunId: run.rootRunId, runs: 1, budget: null, root: { run, children: [] } };
    },
    async cancel(workspaceId, runId) {
      const { run } = held(workspaceId, runId);
      if (!isEnd(run.status)) run.status = "cancelled";
      return run;
    },
    async stop(workspaceId, runId) {
      const { run } = held(workspaceId, runId);
      if (!isEnd(run.status)) run.status = "terminated";
      return run;
    },
    async delete(workspaceId, runId) {
      const { run } = held(workspaceId, runId);
      if (!isEnd(run.status)) throw new Problem("run_not_finished", "The run is still going on");
      runs.delete(runId);
    },
    async events(workspaceId, runId, since, limit) {
      const after = held(workspaceId, runId).events.slice(since);
      return { events: after.slice(0, limit), more: after.length > limit };
    },
    follow: async (workspaceId, runId, since, signal) =>
      follow(held(workspaceId, runId), since, signal),
    outputs: async (workspaceId, runId) =>
      held(workspaceId, runId).outputs.map(({ output }) => output),
    async output(workspaceId, runId, outputId) {
      const one = held(workspaceId, runId).outputs.find(({ output }) => output.id === outputId);
      if (!one) throw new Problem("not_found", `No output has the id "${outputId}"`);
      return { output: one.output, stream: Readable.from([one.bytes]) };
    },
    async archive(workspaceId, runId) {
      const { run } = held(workspaceId, runId);
      if (run.status === "queued") throw new Problem("run_not_started", "The run has not started");
      return { filename: `${runId}.zip`, stream: Readable.from([Buffer.from("PK\x03\x04")]) };
    },
  };
  const addOutput: FrontDoor["addOutput"] = (runId, name, bytes, contentType = "text/plain") => {
    const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const id = newId("output");
    const output = {
      id,
      path: `/workspace/${name}`,
      name,
      sha256,
      bytes: bytes.length,
      contentType,
    };
    runs.get(runId)?.outputs.push({ output, bytes });
    return output;
  };
  return {
    ...{ corridor, submitted, uploaded, addRun, append, addOutput },
    sendLive: push as FrontDoor["sendLive"],
    following: () => following,
  };
}

function blankRun(workspaceId: string, status: Run["status"]): Run {
  const at = new Date(0).toISOString();
  return {
    id: newId("run"),
    ...{ workspaceId, status, stop_reason: null, cleanup_status: "not_started", message: null },
    ...{ rootRunId: newId("run"), parentRunId: null, agent: null, handoff: null },
    ...{
      queue: null,
      waiting: null,
      model: "scripted/x",
      reply: null,
      metadata: {},
      isolation: null,
    },
    submission: { model: "scripted/x", prompt: ["hello"] },
    usage: {
      inputTokens: 0,
      outputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      totalTokens: 0,
    },
    ...{ costUsd: 0, turns: 0, calls: 0, lastSeq: 0, head: "" },
    ...{ createdAt: at, startedAt: at, finishedAt: null, updatedAt: at },
  };
}

export interface HandClock extends Clock {
  /** Moves the time and wakes who slept until then. */
  advance(ms: number): void;
  /** Resolves when somebody sleeps for exactly so long. */
  sleeping(ms: number): Promise<void>;
}

export function handClock(): HandClock {
  let now = 0;
  const sleepers = new Set<{ until: number; ms: number; wake(): void }>();
  const watchers = new Set<{ ms: number; seen(): void }>();
  return {
    now: () => now,
    monotonic: () => now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const sleeper = { until: now + ms, ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
        for (const watcher of watchers) if (watcher.ms === ms) watcher.seen();
      });
    },
    advance(ms) {
      now += ms;
      for (const sleeper of [...sleepers]) {
        if (sleeper.until > now) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
    sleeping(ms) {
      return new Promise((resolve) => {
        const seen = () => {
          watchers.delete(watcher);
          resolve();
        };
        const watcher = { ms, seen };
        watchers.add(watcher);
        if ([...sleepers].some((sleeper) => sleeper.ms === ms)) watcher.seen();
      });
    },
  };
}

/** The parsed body of an answer; what is in it is for the test to say. */
export async function bodyOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}
