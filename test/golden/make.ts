/**
 * Makes a data directory as this version writes it: `node test/golden/make.ts test/golden/v<N>`. Run it once for every
 * new schema version, before the first release that has it, and check the result in. A golden directory is never made
 * again: it stands for the directories that operators have. This refuses a directory that is there.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifactIdentity } from "../../src/base/artifact-identity.ts";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import type { ApprovalRequest } from "../../src/contract/approval.ts";
import type { NewEvent } from "../../src/contract/event.ts";
import type { ArtifactManifest } from "../../src/contract/artifact.ts";
import { newApprovalId, newId } from "../../src/contract/ids.ts";
import { layerId } from "../../src/contract/layer.ts";
import type { ProxyCalled } from "../../src/contract/proxy-call.ts";
import { type NewRun, openStore } from "../../src/store/store.ts";
import { makeBundles } from "./make-bundles.ts";
import { makeTree } from "./make-tree.ts";

const dir = process.argv[2];
if (dir === undefined || existsSync(dir)) {
  console.error("Wanted: a directory that is not there, like test/golden/v2");
  process.exit(1);
}

let time = Date.UTC(2026, 10, 20, 12, 0, 0);
const clock: Clock = { ...systemClock, now: () => (time += 250) };
const digest = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const store = await openStore({
  dir,
  clock,
  log: openLog("error"),
  onBroken: (error) => {
    throw error;
  },
});

const { token, secret } = await store.tokens.create({
  name: "golden",
  workspaceName: "default",
  scopes: ["runs", "approve", "admin"],
});
const revoked = await store.tokens.create({ name: "old", workspaceName: "b", scopes: ["runs"] });
await store.tokens.revoke(revoked.token.id);

async function submit(
  key: string,
  snapshot: NewRun["snapshot"],
  more: Partial<NewRun> = {},
): Promise<string> {
  const runId = newId("run", clock.now());
  await store.journal.submit({
    runId,
    workspaceId: token.workspaceId,
    idempotencyKey: key,
    bodyHash: digest(key),
    snapshot,
    secrets: [{ name: "anthropic", sealed: new Uint8Array([1, 2, 3, 4]) }],
    submittedBy: token.id,
    ...more,
  });
  return runId;
}

async function work(runId: string, events: NewEvent[]): Promise<void> {
  const lease = await store.journal.claim(runId, store.epoch);
  const fence = { epoch: store.epoch, seq: lease?.run.lastSeq ?? 0 };
  const appended = await store.journal.append(runId, fence, events);
  if (appended.type !== "appended") throw new Error(`Cannot append to ${runId}: ${appended.type}`);
}

const manifest: ArtifactManifest = {
  ...{ kind: "generic", entrypoints: ["main.py"] },
  files: [{ name: "main.py", sha256: digest("notes"), bytes: 5, executable: true }],
  layers: [
    { name: "deps", digest: digest("tree"), mount_path: "/tmp/venv", mount_as: "/opt/venv" },
  ],
};

const begun: NewEvent[] = [
  { type: "run.started", data: { epoch: 1 } },
  {
    type: "run.provisioned",
    data: {
      isolation: { grade: "A", limits: "cgroup2", ownUid: true, sandbox: "bubblewrap 0.8.0" },
    },
  },
];

const proxyCall: ProxyCalled = {
  ...{ id: newId("proxyCall", clock.now()), call_id: newId("call", clock.now()) },
  ...{ endpoint: "rates", door: "protocol", method: "GET", path: "/v1/rates" },
  ...{ request_bytes: 0, status: 200, response_bytes: 512, outcome: "ok", error: null },
  ...{ mode_clamped: true, truncated: false, redacted: true, address: "192.0.2.7" },
  ...{ started_at: "2026-11-20T12:00:05.000Z", duration_ms: 1500 },
};

const finished = await submit("finished", {
  model: "anthropic/claude-sonnet-4-5",
  prompt: ["Write the report", "Keep it short"],
  files: [{ path: "in/data.csv", sha256: digest("a,b\n"), bytes: 4, executable: false }],
  outputDirs: ["/workspace/out"],
  limits: { turns: 5 },
  proxyEndpoints: [
    {
      ...{ name: "rates", baseUrl: "https://api.example.org", authShape: { type: "bearer" } },
      ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/"] },
    },
  ],
  metadata: { team: "red", nested: { list: [1, 2.5, null, true] } },
});
await work(finished, [
  ...begun,
  {
    type: "turn.replied",
    data: {
      turn: 1,
      attempt: 1,
      model: "anthropic/claude-sonnet-4-5",
      parts: [
        { type: "reasoning", text: "A table first", provider_metadata: { signature: "c2ln" } },
        { type: "text", text: "I count the rows…" },
      ],
      calls: [
        {
          call_id: "call_01kagolden0000000000000000",
          tool_call_id: "toolu_1",
          tool: "sandbox_exec",
          arguments: { command: "wc -l in/data.csv > out/report.txt" },
        },
      ],
      finish_reason: "calls",
      usage: {
        input_tokens: 120,
        output_tokens: 40,
        cache_read_tokens: 64,
        cache_write_tokens: 16,
      },
      cost_usd: 0.0008,
      duration_ms: 900,
    },
  },
  {
    type: "call.decided",
    data: {
      call_id: "call_01kagolden0000000000000000",
      tool: "sandbox_exec",
      decision: "allow",
      rule: "builtin.code",
    },
  },
  {
    type: "call.started",
    data: { call_id: "call_01kagolden0000000000000000", tool: "sandbox_exec", turn: 1 },
  },
  { type: "proxy.called", data: proxyCall },
  {
    type: "proxy.called",
    data: {
      ...{ ...proxyCall, id: newId("proxyCall", clock.now()), status: null, response_bytes: 0 },
      ...{ outcome: "denied", error: "policy_denied", address: null, mode_clamped: false },
    },
  },
  {
    type: "call.finished",
    data: {
      call_id: "call_01kagolden0000000000000000",
      tool: "sandbox_exec",
      outcome: "returned",
      result: { ok: true, exit_code: 0 },
      duration_ms: 31,
      content: [{ name: "notes", visibility: "session", sha256: digest("notes"), bytes: 5 }],
      stdout: { blob: digest("stdout"), bytes: 6, truncated: false },
      layers: [
        {
          ...{ layer_id: layerId(digest("tree")), name: "deps", digest: digest("tree") },
          ...{ path: "/tmp/venv", mount_as: "/opt/venv", mount_path: "/tmp/venv" },
          ...{ file_count: 2, size_bytes: 30, cached: false, hosts: ["example.org"] },
          abi: { arch: "x64", libc: "glibc", python: "3.11" },
        },
      ],
      artifact: {
        ...{ artifact_id: artifactIdentity(manifest).id, artifact_ref: "ar.0123456789abcdef01234567" },
        ...{ name: "report", manifest },
      },
    },
  },
  {
    type: "turn.replied",
    data: {
      turn: 2,
      attempt: 1,
      model: "anthropic/claude-sonnet-4-5",
      parts: [{ type: "text", text: { blob: digest("long"), bytes: 70_000, head: "One row" } }],
      calls: [],
      finish_reason: "stop",
      usage: { input_tokens: 200, output_tokens: 9, cache_read_tokens: 0, cache_write_tokens: 0 },
      cost_usd: 0.000735,
      duration_ms: 400,
    },
  },
  { type: "run.finishing", data: { status: "succeeded", stop_reason: "end_turn" } },
  {
    type: "artifact.proved",
    data: {
      ...{ call_id: "call_01kagolden0000000000000001", artifact_id: artifactIdentity(manifest).id },
      ...{ artifact_digest: artifactIdentity(manifest).digest, layers: [digest("tree")] },
      ...{ entrypoint: "main.py", command: null, args: ["--quick"], passed: true, exit_code: 0 },
      output: { stdout: digest("stdout"), stderr: digest("stderr") },
      isolation: { grade: "A", limits: "cgroup2", ownUid: true, sandbox: "bubblewrap 0.8.0" },
      network: "none",
    },
  },
  {
    type: "outputs.captured",
    data: {
      partial: false,
      outputs: [
        {
          id: newId("output", clock.now()),
          path: "/workspace/out/report.txt",
          name: "report.txt",
          sha256: digest("1 in/data.csv\n"),
          bytes: 14,
          contentType: "text/plain",
        },
      ],
      missing: [{ path: "/workspace/out/link", reason: "not_a_regular_file" }],
    },
  },
  {
    type: "run.finished",
    data: { status: "succeeded", stop_reason: "end_turn", cleanup_status: "failed_retryable" },
  },
]);
await store.runs.markCleaned(finished);

const cancelled = await submit("cancelled", { model: "openai/gpt-5", prompt: ["Never mind"] });
await store.journal.appendFromOutside(token.workspaceId, cancelled, () => ({
  type: "run.cancel_requested",
  data: { requested_by: token.id },
}));
await work(cancelled, [
  {
    type: "run.finished",
    data: {
      status: "cancelled",
      stop_reason: "cancelled",
      message: "Cancelled before it started",
      cleanup_status: "skipped",
    },
  },
]);

const request: ApprovalRequest = {
  ...{ request_id: newApprovalId(), call_id: newId("call", clock.now()) },
  ...{ agent: { id: null, revision: digest("agent") }, tool: "sandbox_exec" },
  ...{ summary: "Wants to reach api.example.org:443", rule: "host_not_granted" },
  ...{ intent: "Reads the rates of today", warning: null },
  subject: {
    ...{ tool: "sandbox_exec", command: "python3 rates.py", artifact_id: null },
    ...{ artifact_digest: null, entrypoint: null, arguments: { command: "python3 rates.py" } },
    files: [{ name: "rates.py", sha256: digest("rates") }],
  },
  findings: [
    {
      ...{ kind: "url", file: "/tmp/rates.py", line: 3, pattern: "https://api.example.org/v1" },
      ...{ host: "api.example.org:443", reason: "A URL stands in the code" },
    },
  ],
  hosts: ["api.example.org:443"],
  binding: { digest: digest("binding"), parts: { tool: "sandbox_exec" } },
  keys: { run: digest("run key"), agent_revision: digest("agent key"), artifact: null },
  ...{ scopes: ["once", "run", "agent_revision"], default_scope: "once" },
  expires_at: "2026-12-20T12:00:00.000Z",
};
const approved = await submit("approved", { model: "openai/gpt-5", prompt: ["Read the rates"] });
await work(approved, [...begun, { type: "approval.requested", data: request }]);
await store.approvals.answer(token.workspaceId, request.request_id, {
  ...{ status: "approved", scope: "agent_revision", answeredBy: token.id, note: "Only this week" },
  ...{ scopeExpiresAt: "2099-11-27T12:00:00.000Z", rememberedUntil: null },
});
await work(approved, [
  {
    type: "call.started",
    data: {
      ...{ call_id: request.call_id, tool: "sandbox_exec", turn: 1 },
      approval: request.request_id,
    },
  },
  {
    type: "run.finished",
    data: { status: "succeeded", stop_reason: "end_turn", cleanup_status: "succeeded" },
  },
]);
const asks = { ...request, request_id: newApprovalId(), call_id: newId("call", clock.now()) };
asks.keys = { ...request.keys, run: digest("other"), agent_revision: digest("other") };
asks.expires_at = "2099-12-20T12:00:00.000Z";
const waiting = await submit("waiting", { model: "openai/gpt-5", prompt: ["Ask me"] });
await work(waiting, [...begun, { type: "approval.requested", data: asks }]);

const interrupted = await submit("interrupted", { model: "google/gemini-3", prompt: ["Go on"] });
await work(interrupted, begun);
await store.runs.takeUid(interrupted, { first: 700_000, last: 765_535 });
const reserved = newId("proxyCall", clock.now());
await store.proxy.reserve({
  ...{ id: reserved, runId: interrupted, workspaceId: token.workspaceId },
  ...{ endpoint: "rates", calls: 60 },
});
await store.proxy.sent(reserved);

for (const [name, value] of [
  ["RATES_KEY", 1],
  ["RATES_KEY", 2],
  ["OLD_KEY", 3],
] as const) {
  const sealed = new Uint8Array([value, 2, 3, 4]);
  await store.workspaceSecrets.set(token.workspaceId, { name, sealed, setBy: token.id });
}
await store.workspaceSecrets.delete(token.workspaceId, "OLD_KEY");

const gone = await submit("gone", { model: "openai/gpt-5", prompt: ["Delete me"] });
await work(gone, [
  {
    type: "run.finished",
    data: { status: "failed", stop_reason: "internal", cleanup_status: "skipped" },
  },
]);
await store.runs.delete(token.workspaceId, gone);

const room = { store, now: clock.now, workspaceId: token.workspaceId, tokenId: token.id };
const golden = { ...room, digest, submit, work, begun };
const made = await makeTree(golden, finished);
const bundled = await makeBundles(golden);

const report = await store.verify();
if (!report.ok) throw new Error(JSON.stringify(report.defects));
await store.close();
for (const name of readdirSync(dir)) if (name !== "airlock.db") rmSync(join(dir, name));
const expected = {
  secret,
  workspaceId: token.workspaceId,
  // The next start writes one more: of the turn that was being asked when this process ended.
  events: report.events + 1,
  runs: { finished, cancelled, interrupted, gone, approved, waiting, ...made.runs, ...bundled.runs },
  costUsd: 0.001535,
  artifactId: artifactIdentity(manifest).id,
  proofs: 1,
  approvals: { approved: request.request_id, waiting: asks.request_id },
  proxy: { settled: proxyCall.id, reserved },
  tree: made.tree,
  bundles: bundled.bundles,
};
writeFileSync(join(dir, "expected.json"), `${JSON.stringify(expected, null, 2)}\n`);
