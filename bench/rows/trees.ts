import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Group } from "../group.ts";
import { quantile } from "../measure.ts";
import { atLeast, atMost, type Row } from "../row.ts";
import { type Served, serve } from "../serve.ts";

const treesMax = 100;
const childrenOfEach = 3;
const MB = 1_000_000;
const giveUpMs = 300_000;

const spawn = {
  tool: "agent_spawn",
  arguments: { agent_id: "coder.default", message: "Do your part", async: true },
};
const scripts = {
  planner: {
    turns: [
      { calls: Array.from({ length: childrenOfEach }, () => spawn) },
      { text: "Given." },
      { text: "Done." },
    ],
  },
  coder: {
    turns: [
      {
        calls: [
          { tool: "content_write", arguments: { name: "part.txt", content: "done\n" } },
          { tool: "sandbox_exec", arguments: { command: "true", network: "none" } },
        ],
      },
      { text: "Done." },
    ],
  },
};

/** A hundred planners at once, each with three tasks that run a command: does each end, when, and at what cost? */
export const treesRows: Group = {
  name: "trees",
  async run(bench: Bench): Promise<Row[]> {
    const count = bench.quick ? 6 : treesMax;
    const dataDir = bench.newDirectory("trees");
    const env = { AIRLOCK_RATE_SUBMISSIONS: "100000" };
    const gateway = await serve({ dataDir, scripts, env });
    try {
      await install(gateway);
      const before = memoryOf(gateway, "VmRSS");
      const start = Date.now();
      const ids = await Promise.all(Array.from({ length: count }, () => submit(gateway)));
      const trees = await ended(gateway, ids);
      return rowsOf({ count, start, trees, bytes: memoryOf(gateway, "VmHWM") - before });
    } finally {
      await gateway.stop();
    }
  },
};

interface Node {
  run: { status: string; finishedAt: string | null };
  children: Node[];
}

function rowsOf(measured: { count: number; start: number; trees: Node[]; bytes: number }): Row[] {
  const { count, start, trees, bytes } = measured;
  const runs = trees.flatMap((root) => [root, ...root.children]);
  const wanted = count * (1 + childrenOfEach);
  const succeeded = runs.filter(({ run }) => run.status === "succeeded").length;
  const ends = trees
    .map(({ run }) => (Date.parse(run.finishedAt ?? "") - start) / 1000)
    .sort((a, b) => a - b);
  const median = quantile(ends, 0.5);
  const last = Math.max(...ends);
  const at = (seconds: number | undefined) => (seconds ?? Number.NaN).toFixed(2);
  const what = `${count} trees of a planner and ${childrenOfEach} tasks, each with a command, submitted at once`;
  return [
    {
      ...{ name: "trees.ended", unit: "runs", value: succeeded, target: atLeast(wanted) },
      what: `${what}: runs that succeed`,
      detail: `of ${wanted}`,
    },
    {
      ...{ name: "trees.time", unit: "s", value: last, target: atMost(60) },
      what: `${what}: the last of them has ended`,
      detail: `the first after ${at(ends[0])} s, half of them after ${at(median)} s; ${at(last / runs.length)} s for each run`,
    },
    {
      ...{ name: "trees.fair", unit: "x", value: last / median, target: atMost(2.5) },
      what: "The last of them against the median: 2 is one after the other, more is one that is kept waiting",
    },
    {
      ...{ name: "trees.memory", unit: "MB", value: bytes / MB, target: atMost(300) },
      what: `${what}: the most memory that the gateway took, over an idle one`,
    },
  ];
}

async function install(gateway: Served): Promise<void> {
  const own = { scopes: ["self.*"] };
  const agents = {
    planner: [{ type: "AgentSpawn", max_children: childrenOfEach }],
    coder: [
      { type: "CodeExecution", patterns: ["*"] },
      { type: "WriteAccess", ...own },
      { type: "ReadAccess", ...own },
    ],
  };
  for (const [name, capabilities] of Object.entries(agents)) {
    const manifest = {
      version: "1.0",
      agent: { id: `${name}.default`, name, description: `The ${name} of the benchmark` },
      llm_config: { provider: "scripted", model: name },
      capabilities,
    };
    const content = `---\n${JSON.stringify(manifest)}\n---\nYou are the ${name}.\n`;
    await ask(gateway, "POST", "/api/agents", { files: [{ path: "SKILL.md", content }] });
  }
}

async function submit(gateway: Served): Promise<string> {
  const body = { agent: "planner.default", message: "go" };
  const { run } = await ask<{ run: { id: string } }>(gateway, "POST", "/api/runs", body);
  return run.id;
}

/** The trees, once each of their roots has ended. */
async function ended(gateway: Served, ids: readonly string[]): Promise<Node[]> {
  const open = new Set(ids);
  for (const end = Date.now() + giveUpMs; open.size > 0; ) {
    if (Date.now() > end) throw new Error(`${open.size} trees have not ended`);
    await sleep(250);
    // One that goes on is enough to wait for: asking is work for the gateway, too.
    for (const id of open) {
      const { run } = await ask<{ run: Node["run"] }>(gateway, "GET", `/api/runs/${id}`);
      if (run.finishedAt === null) break;
      open.delete(id);
    }
  }
  return Promise.all(
    ids.map(async (id) => (await ask<{ root: Node }>(gateway, "GET", `/api/runs/${id}/tree`)).root),
  );
}

async function ask<Answer>(
  { url, token }: Served,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, { method, headers, ...sent });
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

function memoryOf({ pid }: Served, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}
