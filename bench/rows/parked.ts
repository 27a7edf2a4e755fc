import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bindCall, makeRequest } from "../../src/approvals/approvals.ts";
import type { NewEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { Bench, Group } from "../group.ts";
import { newRun, openBenchStore } from "../journals.ts";
import { atMost, type Row } from "../row.ts";
import { type Served, serve } from "../serve.ts";

const parked = 10_000;
const MB = 1_000_000;
const digest = `sha256:${"0".repeat(64)}`;

/** Ten thousand runs wait for a person: what do they cost, and does one that is answered still go on? */
export const parkedRows: Group = {
  name: "parked",
  async run(bench: Bench): Promise<Row[]> {
    const count = bench.quick ? 200 : parked;
    const scripts = { bench: { turns: [{}, { text: "Done" }] } };
    const dataDir = bench.newDirectory("parked");
    const idle = await serve({ dataDir, scripts });
    const before = await settled(idle);
    await idle.stop();
    const ids = await leaveParked(dataDir, count);
    const gateway = await serve({ dataDir, scripts });
    try {
      const now = await settled(gateway);
      const wentOn = await denied(gateway, ids.slice(0, 20));
      return [
        {
          ...{ name: "parked.memory", unit: "MB", target: atMost(60) },
          what: `${count} runs that wait for a person, over an idle gateway`,
          value: (now.bytes - before.bytes) / MB,
          isFair: wentOn === 20,
          detail: `${wentOn} of 20 that were answered went on to their end`,
        },
        {
          ...{ name: "parked.processes", unit: "processes", target: atMost(0) },
          what: `Processes of ${count} runs that wait`,
          value: now.processes - before.processes,
        },
      ];
    } finally {
      await gateway.stop();
    }
  },
};

/** Journals as a gateway leaves them whose runs all wait for an answer. */
async function leaveParked(dataDir: string, count: number): Promise<string[]> {
  const store = await openBenchStore(dataDir);
  try {
    const [token] = await store.tokens.list();
    if (token === undefined) throw new Error("The first start made no token");
    const ids: string[] = [];
    for (let made = 0; made < count; made += 500) {
      const size = Math.min(500, count - made);
      const runs = Array.from({ length: size }, () => newRun(store, token.workspaceId));
      const events = runs.map(async (opened) => {
        const run = await opened;
        const asked = waiting(run.runId);
        await run.append(asked.events);
        return asked.id;
      });
      ids.push(...(await Promise.all(events)));
    }
    return ids;
  } finally {
    await store.close();
  }
}

function waiting(runId: string): { id: string; events: NewEvent[] } {
  const callId = newId("call");
  const args = { command: "curl https://example.org/" };
  const none = { staged: digest, workspace: digest, tmp: digest, artifact: "none", layers: "none" };
  const binding = bindCall({
    ...{ agent: digest, run_tree: runId, tool: "sandbox_exec", arguments: digest, ...none },
    ...{ entrypoint: "none", environment: "none", secrets: "none", hosts: "example.org:443" },
  });
  const request = makeRequest({
    ...{ callId, agent: { id: null, revision: digest }, intent: null },
    rule: "It reaches the network",
    ...{ findings: [], hosts: ["example.org:443"], binding },
    subject: {
      ...{ tool: "sandbox_exec", command: args.command, artifact_id: null, entrypoint: null },
      ...{ artifact_digest: null, arguments: args, files: [] },
    },
    ...{ pinned: false, secrets: [], now: Date.now() },
  });
  const isolation = {
    grade: "B",
    limits: "watchdog",
    ownUid: false,
    sandbox: "bubblewrap 0.8.0",
  } as const;
  const call = { call_id: callId, tool_call_id: "call_0_0", tool: "sandbox_exec", arguments: args };
  const usage = { input_tokens: 9, output_tokens: 5, cache_read_tokens: 0, cache_write_tokens: 0 };
  return {
    id: request.request_id,
    events: [
      { type: "run.started", data: { epoch: 1 } },
      { type: "run.provisioned", data: { isolation } },
      {
        type: "turn.replied",
        data: {
          ...{ turn: 1, attempt: 1, model: "scripted/bench", parts: [], finish_reason: "calls" },
          ...{ calls: [call], usage, duration_ms: 12 },
        },
      },
      {
        type: "call.decided",
        data: { call_id: callId, tool: "sandbox_exec", decision: "ask", rule: request.rule },
      },
      { type: "approval.requested", data: request },
    ],
  };
}

/** Answers some, and counts how many of their runs end. */
async function denied({ url, token }: Served, ids: readonly string[]): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const ask = async (path: string, method = "GET", body?: string) =>
    (await (
      await fetch(`${url}${path}`, { method, headers, ...(body ? { body } : {}) })
    ).json()) as { approval?: { runId: string }; run?: { status: string } };
  const runs: string[] = [];
  for (const id of ids) {
    const path = `/api/approvals/${id}/approve`;
    const { approval } = await ask(path, "POST", JSON.stringify({ scope: "once" }));
    if (approval) runs.push(approval.runId);
  }
  let ended = 0;
  for (const end = Date.now() + 30_000; ended < runs.length && Date.now() < end; ) {
    const states = await Promise.all(runs.map((id) => ask(`/api/runs/${id}`)));
    ended = states.filter(({ run }) => run?.status === "succeeded").length;
    await sleep(50);
  }
  return ended;
}

/** Memory and children of a gateway that has nothing more to do after its start. */
async function settled({ pid }: Served): Promise<{ bytes: number; processes: number }> {
  let bytes = Number.NaN;
  for (let round = 0; round < 20; round++) {
    await sleep(250);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const now = 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
    if (Math.abs(now - bytes) < MB / 4) break;
    bytes = now;
  }
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean),
  );
  return { bytes, processes: children.length };
}
