import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./group.ts";
import { type Client, openClient } from "./http-client.ts";
import { serve } from "./serve.ts";

/** What a host in the same town needs to answer. */
export const slowMs = 20;

/** Calls that were made side by side, in milliseconds each: in blocks that take turns. */
export interface SideBySide {
  through: number[];
  direct: number[];
}

/** Runs whose own code calls an endpoint: sandbox, relay, gateway and books, all of it. */
export interface ProxyWay {
  sideBySide(path: "fast" | "slow", blocks: number, perBlock: number): Promise<SideBySide>;
  /** Calls per second of so many runs at once, each with so many calls on their way. */
  sustained(runs: number, atOnce: number, seconds: number): Promise<number>;
  close(): Promise<void>;
}

/** The program of a run, as one line: times calls in blocks, with the bench's own block between two of them. */
const blocksProgram = `
const [path, blocks, perBlock] = process.argv.slice(1);
const took = [];
for (let block = 0; block < blocks; block++) {
  for (let n = 0; n < perBlock; n++) {
    const start = performance.now();
    await (await fetch("http://api.proxy/v1/" + path)).text();
    took.push(performance.now() - start);
  }
  await (await fetch("http://api.proxy/v1/turn")).text();
}
console.log(JSON.stringify(took.map((ms) => Number(ms.toFixed(3)))));`;

const loadProgram = `
const [atOnce, seconds] = process.argv.slice(1).map(Number);
await (await fetch("http://api.proxy/v1/ready")).text();
const until = performance.now() + seconds * 1000;
let calls = 0;
await Promise.all(Array.from({ length: atOnce }, async () => {
  while (performance.now() < until) {
    const answer = await fetch("http://api.proxy/v1/fast");
    await answer.text();
    if (answer.ok) calls += 1;
  }
}));
console.log(JSON.stringify([calls]));`;

/** Opens an upstream and a gateway whose runs may call it. */
export async function openProxyWay(bench: Bench): Promise<ProxyWay> {
  const upstream = await openUpstream();
  const dataDir = bench.newDirectory("proxy");
  const gateway = await serve({
    dataDir,
    scripts: {
      exec: {
        turns: [
          {
            calls: [
              {
                tool: "sandbox_exec",
                arguments: { command: "/airlock/bin/node /workspace/program.mjs" },
              },
            ],
          },
          { text: "Done" },
        ],
      },
    },
    env: {
      ...{ AIRLOCK_MAX_RUNS: "64", AIRLOCK_MAX_RUNS_PER_WORKSPACE: "64" },
      ...{ AIRLOCK_PRIVATE_HOSTS: upstream.host },
    },
  });
  const client = openClient(gateway);
  const run = (program: string, args: readonly (string | number)[]) =>
    runProgram(client, upstream.host, program, args);
  return {
    async sideBySide(path, blocks, perBlock) {
      const direct: number[] = [];
      upstream.onTurn = async () => {
        for (let n = 0; n < perBlock; n++) direct.push(await upstream.call(path));
      };
      const through = await run(blocksProgram, [path, blocks, perBlock]);
      // The first block of each pays for connections and compilers.
      return { through: through.slice(perBlock), direct: direct.slice(perBlock) };
    },
    async sustained(runs, atOnce, seconds) {
      upstream.gate(runs);
      const counts = await Promise.all(
        Array.from({ length: runs }, () => run(loadProgram, [atOnce, seconds])),
      );
      return counts.flat().reduce((sum, calls) => sum + calls, 0) / seconds;
    },
    async close() {
      client.close();
      await gateway.stop();
      await upstream.close();
    },
  };
}

async function openUpstream() {
  let expected = 0;
  let ready: (() => void)[] = [];
  const server = createServer(async (incoming, response) => {
    if (incoming.url === "/v1/slow") await sleep(slowMs);
    if (incoming.url === "/v1/turn") await way.onTurn();
    if (incoming.url === "/v1/ready") {
      // All runs begin together, so that the load is that of all.
      await new Promise<void>((resolve) => {
        ready.push(resolve);
        if (ready.length >= expected) for (const go of ready) go();
      });
    }
    response.end("ok");
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const way = {
    host,
    onTurn: async () => undefined as undefined,
    gate(runs: number) {
      expected = runs;
      ready = [];
    },
    async call(path: string) {
      const start = performance.now();
      await (await fetch(`http://${host}/v1/${path}`)).text();
      return performance.now() - start;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return way as Omit<typeof way, "onTurn"> & { onTurn: () => Promise<void> };
}

/** Runs a program in a sandbox, as the tool of an agent does, and reads the numbers that it printed. */
async function runProgram(
  client: Client,
  host: string,
  program: string,
  args: readonly (string | number)[],
): Promise<number[]> {
  const content = program.replace("process.argv.slice(1)", JSON.stringify(args));
  const { run } = JSON.parse(
    await client.ask("POST", "/api/runs", {
      ...{ model: "scripted/exec", prompt: "measure" },
      files: [{ path: "program.mjs", content }],
      proxyEndpoints: [
        {
          ...{ name: "api", baseUrl: `http://${host}`, authShape: { type: "none" } },
          ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/"], responseMode: "full" },
          ...{ perCallBudget: 1_000_000, responseByteBudget: 2 ** 32, timeoutMs: 120_000 },
        },
      ],
    }),
  ) as { run: { id: string } };
  let text = "";
  const stream = await client.stream(`/api/runs/${run.id}/events`);
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  for (const line of text.split("\n")) {
    if (!line.startsWith("data:")) continue;
    const { type, data } = JSON.parse(line.slice(5)) as {
      type: string;
      data: { result?: { ok: boolean; stdout: string; stderr: string } };
    };
    if (type !== "call.finished" || data.result === undefined) continue;
    if (!data.result.ok) throw new Error(`The program failed: ${JSON.stringify(data.result)}`);
    return JSON.parse(data.result.stdout) as number[];
  }
  throw new Error(`The run made no call: ${text.slice(-2_000)}`);
}
