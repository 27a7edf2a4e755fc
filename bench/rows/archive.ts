import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Group } from "../group.ts";
import { type Client, openClient } from "../http-client.ts";
import { quantile, shownQuantiles, timed } from "../measure.ts";
import { atMost, type Row } from "../row.ts";
import { type Served, serve } from "../serve.ts";

const MiB = 1024 * 1024;
const MB = 1_000_000;

/** A run that made a lot is handed back: what that costs the gateway, and everybody else who asks it something. */
export const archiveRows: Group = {
  name: "archive",
  async run(bench: Bench): Promise<Row[]> {
    const bytes = bench.quick ? 48 * MiB : 1024 * MiB;
    const rounds = bench.quick ? 1 : 3;
    const dataDir = bench.newDirectory("archive");
    // What cannot be packed, as most of what is large: all of it passes as it is.
    const command = `mkdir -p /workspace/out; head -c ${bytes} /dev/urandom > /workspace/out/large.bin`;
    const call = { tool: "sandbox_exec", arguments: { command } };
    const scripts = { bench: { turns: [{ calls: [call] }, { text: "Done" }] } };
    const maker = await serve({ dataDir, scripts });
    const id = await make(maker).finally(() => maker.stop());
    const blob = await blobOf(dataDir, bytes);
    const gateway = await serve({ dataDir, scripts });
    try {
      const idle = await settled(gateway);
      const before = await restingHealth(gateway);
      const taken: Taken[] = [];
      const hashed: number[] = [];
      for (let round = 0; round < rounds; round++) {
        hashed.push(await timed(() => hash(blob)));
        taken.push(await take(gateway, id));
      }
      return rowsOf(bytes, { idle, before, taken, hashed });
    } finally {
      await gateway.stop();
    }
  },
};

/** One archive, from the first byte asked for to the last one that came. */
interface Taken {
  bytes: number;
  ms: number;
  /** The most that the gateway had in memory meanwhile. */
  resident: number;
  /** What somebody else waited for an answer of it. */
  healthMs: number[];
}

function rowsOf(
  bytes: number,
  seen: { idle: number; before: number[]; taken: Taken[]; hashed: number[] },
): Row[] {
  const { idle, before, taken, hashed } = seen;
  const size = `${bytes / MiB} MiB`;
  const most = Math.max(...taken.map(({ resident }) => resident));
  const ratios = taken.map(({ ms }, round) => ms / (hashed[round] ?? Number.NaN));
  const rate =
    bytes /
    MB /
    (quantile(
      taken.map(({ ms }) => ms),
      0.5,
    ) /
      1000);
  const health = taken.flatMap(({ healthMs }) => healthMs);
  const isFair = taken.every((one) => one.bytes > bytes);
  return [
    {
      ...{ name: "archive.memory", unit: "MB", target: atMost(100), isFair },
      what: `The most that an archive of ${size} takes while it is sent, over an idle gateway`,
      value: (most - idle) / MB,
      detail: `idle ${(idle / MB).toFixed(0)} MB, at most ${(most / MB).toFixed(0)} MB`,
    },
    {
      ...{ name: "archive.throughput", unit: "x", target: atMost(4), isFair },
      what: `The time of an archive of ${size}, against reading its bytes through SHA-256 once`,
      value: quantile(ratios, 0.5),
      spread: [Math.min(...ratios), Math.max(...ratios)],
      detail: `${rate.toFixed(0)} MB/s: each output is checked, then sent, and hashed both times`,
    },
    {
      ...{ name: "archive.others", unit: "ms", target: atMost(10), isFair },
      what: `What others wait for an answer while an archive of ${size} is sent, p99`,
      value: quantile(health, 0.99),
      detail: `${shownQuantiles(health)}; while nothing is sent ${shownQuantiles(before)}`,
    },
  ];
}

async function make(gateway: Served): Promise<string> {
  const client = openClient(gateway);
  try {
    const body = { model: "scripted/bench", prompt: "Make", outputDirs: ["/workspace/out"] };
    const { run } = JSON.parse(await client.ask("POST", "/api/runs", body));
    for (;;) {
      const now = JSON.parse(await client.ask("GET", `/api/runs/${run.id}`)).run;
      if (now.status === "succeeded") return now.id;
      if (now.finishedAt !== null) throw new Error(`The run ended as ${now.status}`);
      await sleep(50);
    }
  } finally {
    client.close();
  }
}

/** The file of the only blob of this size. */
async function blobOf(dataDir: string, bytes: number): Promise<string> {
  const root = join(dataDir, "blobs");
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = files.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const found = paths.find((path) => statSync(path).size === bytes);
  if (found === undefined) throw new Error(`There is no output of ${bytes} bytes`);
  return found;
}

async function hash(path: string): Promise<void> {
  const sum = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: MiB })) sum.update(piece);
  sum.digest();
}

async function take(gateway: Served, id: string): Promise<Taken> {
  const clients = [openClient(gateway), openClient(gateway)] as const;
  const [client, other] = clients;
  let isOver = false;
  let resident = 0;
  const watched = (async () => {
    while (!isOver) {
      resident = Math.max(resident, residentBytes(gateway));
      await sleep(5);
    }
  })();
  const healthMs: number[] = [];
  const asked = askHealth(other, healthMs, () => isOver);
  try {
    let bytes = 0;
    const ms = await timed(async () => {
      const archive = await client.stream(`/api/runs/${id}/archive`);
      for await (const piece of archive) bytes += (piece as Buffer).length;
    });
    return { bytes, ms, resident, healthMs };
  } finally {
    isOver = true;
    await Promise.all([watched, asked]);
    for (const one of clients) one.close();
  }
}

async function askHealth(client: Client, took: number[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    took.push(await timed(() => client.ask("GET", "/healthz")));
    await sleep(5);
  }
}

/** What an answer takes when nothing is sent: what the machine itself does to the figure. */
async function restingHealth(gateway: Served): Promise<number[]> {
  const client = openClient(gateway);
  const took: number[] = [];
  try {
    await askHealth(client, took, () => took.length >= 200);
  } finally {
    client.close();
  }
  return took;
}

function residentBytes({ pid }: Served): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}

/** What a gateway has in memory that has nothing more to do after its start. */
async function settled(gateway: Served): Promise<number> {
  let bytes = Number.NaN;
  for (let round = 0; round < 20; round++) {
    await sleep(250);
    const now = residentBytes(gateway);
    if (Math.abs(now - bytes) < MB / 4) break;
    bytes = now;
  }
  return bytes;
}
