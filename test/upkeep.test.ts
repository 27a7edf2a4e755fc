/** What an operator asks of a data directory: is it whole, and what can go. Damage is done behind the gateway's back. */
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { compileCache } from "./support/compile-cache.ts";
import { within } from "./support/processes.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const text = "kept as content, and long enough to be nobody else's";
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const script = {
  scripts: {
    works: {
      turns: [
        {
          calls: [
            { tool: "content_write", arguments: { name: "a.txt", content: text } },
            exec("tr a-z A-Z < a.txt > /workspace/out/b.txt"),
          ],
        },
        { text: "done" },
      ],
    },
    hangs: { turns: [{ calls: [exec("echo up; sleep 600")] }] },
  },
};
const submission = { model: "scripted/works", prompt: "go", outputDirs: ["/workspace/out"] };

/** One command line of the checkout, run to its end. */
function airlock(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { node, root } = checkoutFor(undefined);
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: "/nonexistent",
    AIRLOCK_LOG_LEVEL: "silent",
    ...compileCache,
  };
  return new Promise((resolve) => {
    const child = execFile(
      node,
      [join(root, "src/main.ts"), ...args],
      { cwd: root, env },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

function blobFile(dataDir: string, sha256: string): string {
  const hex = sha256.replace("sha256:", "");
  return join(dataDir, "blobs", hex.slice(0, 2), hex.slice(2));
}

function edit(dataDir: string, sql: string, ...values: string[]): void {
  const db = new DatabaseSync(join(dataDir, "airlock.db"));
  try {
    expect(db.prepare(sql).run(...values).changes).toBe(1);
  } finally {
    db.close();
  }
}

describe("airlock verify", () => {
  const original = newDataDir();
  let runId: string;
  let output: string;
  beforeAll(async () => {
    const gateway = await startGateway({ script, dataDir: original });
    const run = await clientOf(gateway).submitRun(submission);
    expect((await run.wait()).status).toBe("succeeded");
    runId = run.id;
    output = (await run.outputs())[0]?.sha256 ?? "";
    await gateway.stop();
  });
  afterAll(() => rmSync(original, { recursive: true, force: true }));

  const damages: [string, string, (dataDir: string) => void][] = [
    ["a flipped bit in a blob", "blob_corrupt", (dir) => flipBit(blobFile(dir, output))],
    ["a lost blob", "blob_missing", (dir) => rmSync(blobFile(dir, output))],
    [
      "an edited event",
      "chain_broken",
      (dir) =>
        edit(
          dir,
          "UPDATE events SET data = replace(data, '\"done\"', '\"DONE\"') WHERE run_id = ? AND type = 'turn.replied' AND data LIKE '%\"done\"%'",
          runId,
        ),
    ],
    [
      "a removed last event",
      "head_mismatch",
      (dir) => edit(dir, "DELETE FROM events WHERE run_id = ? AND type = 'run.finished'", runId),
    ],
    [
      "a removed event in the middle",
      "sequence_gap",
      (dir) => edit(dir, "DELETE FROM events WHERE run_id = ? AND type = 'run.provisioned'", runId),
    ],
    [
      "a row that says something else than its journal",
      "row_mismatch",
      (dir) => edit(dir, "UPDATE runs SET stop_reason = 'cancelled' WHERE id = ?", runId),
    ],
  ];

  it("finds nothing wrong with what nobody touched", async () => {
    const { code, stdout } = await airlock("verify", "--json", "--data-dir", original);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { ok: true, runs: 1, defects: [] }]);
    expect(JSON.parse(stdout).blobs).toBeGreaterThanOrEqual(2);
  });

  for (const [what, kind, damage] of damages) {
    it(`finds ${what}`, async () => {
      const dataDir = newDataDir();
      try {
        cpSync(original, dataDir, { recursive: true });
        damage(dataDir);
        const { code, stdout } = await airlock("verify", "--json", "--data-dir", dataDir);
        expect(code).toBe(1);
        const { ok, defects } = JSON.parse(stdout);
        expect(ok).toBe(false);
        expect(defects.map((defect: { kind: string }) => defect.kind)).toContain(kind);
        const subjects = defects.map((defect: { subject: string }) => defect.subject).join();
        expect(subjects).toContain(kind.startsWith("blob") ? output : runId);
      } finally {
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
  }
});

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

describe("airlock gc", () => {
  let gateway: StartedGateway;
  beforeAll(async () => {
    gateway = await startGateway({ script });
  });
  afterAll(() => gateway.stop());

  /** Every blob on disk, made older than what the sweep spares. */
  function ageBlobs(dataDir = gateway.dataDir): number {
    const root = join(dataDir, "blobs");
    const shards = readdirSync(root).filter((name) => name !== "tmp");
    const files = shards.flatMap((shard) =>
      readdirSync(join(root, shard)).map((name) => join(root, shard, name)),
    );
    const longAgo = Date.now() / 1000 - 2 * 60 * 60;
    for (const file of files) utimesSync(file, longAgo, longAgo);
    return files.length;
  }

  /** Bytes that are uploaded for a submission that turns out to be wrong belong to nobody. */
  async function orphan(bytes: string, at = gateway): Promise<void> {
    const form = new FormData();
    form.append("file:one", new Blob([bytes]));
    form.append("submission", new Blob([JSON.stringify({ model: "scripted/works" })]));
    const response = await fetch(`${at.url}/api/runs`, {
      method: "POST",
      headers: { authorization: `Bearer ${at.token}` },
      body: form,
    });
    expect(response.status).toBe(400);
  }

  it("takes what nobody refers to and is old, and nothing else; a dry run takes nothing", async () => {
    const client = clientOf(gateway);
    const run = await client.submitRun(submission);
    await run.wait();
    await orphan("belongs to nobody");
    const young = await client.gc();
    expect(young).toMatchObject({ blobs: 0, kept: { blobs: 3, young: 3 } });

    expect(ageBlobs()).toBe(3);
    const dry = await client.gc({ dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, blobs: 1, bytes: "belongs to nobody".length });
    expect(ageBlobs()).toBe(3);
    const real = await client.gc();
    expect(real).toMatchObject({ ...dry, dryRun: false, kept: { blobs: 2, young: 0 } });
    expect(ageBlobs()).toBe(2);
    expect((await client.verify()).defects).toEqual([]);
    const output = await run.downloadOutput({ path: "b.txt", match: "suffix" });
    expect(Buffer.from(output).toString()).toBe(text.toUpperCase());

    await run.delete();
    expect(await client.gc()).toMatchObject({ blobs: 2, kept: { blobs: 0 } });
    expect(ageBlobs()).toBe(0);
  });

  it("leaves a run that is at work alone, and takes directories that no run has", async () => {
    const client = clientOf(gateway);
    const run = await client.submitRun({ ...submission, model: "scripted/hangs" });
    await untilEvent(run, "call.output");
    const runs = join(gateway.dataDir, "runs");
    const lost = join(runs, run.id.replace(/.{4}$/, "zzzz"));
    mkdirSync(join(lost, "tmp"), { recursive: true });
    expect(await client.gc({ dryRun: true })).toMatchObject({ runDirectories: 1 });
    expect(existsSync(lost)).toBe(true);
    expect(await client.gc()).toMatchObject({ runDirectories: 1 });
    expect(existsSync(lost)).toBe(false);
    expect(existsSync(join(runs, run.id, "workspace"))).toBe(true);
    expect((await run.get()).status).toBe("running");
    await run.cancel();
    expect(await run.wait()).toMatchObject({ status: "cancelled", cleanup_status: "succeeded" });
  });

  it("and verify are refused offline while a gateway has the directory", async () => {
    for (const command of ["gc", "verify"]) {
      const refused = await airlock(command, "--json", "--data-dir", gateway.dataDir);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "data_dir_locked" } });
    }
    expect((await clientOf(gateway).health()).ready).toBe(true);
  });

  it("is done offline by a command, and by a gateway itself when it starts", async () => {
    const dataDir = newDataDir();
    try {
      const first = await startGateway({ script, dataDir });
      await orphan("left by the first gateway", first);
      await first.stop();
      expect(ageBlobs(dataDir)).toBe(1);
      const dry = await airlock("gc", "--json", "--dry-run", "--data-dir", dataDir);
      expect([dry.code, JSON.parse(dry.stdout)]).toMatchObject([0, { dryRun: true, blobs: 1 }]);
      const second = await startGateway({ script, dataDir });
      expect(await within(10_000, () => ageBlobs(dataDir) === 0)).toBe(true);
      await orphan("left by the second gateway", second);
      await second.stop();
      ageBlobs(dataDir);
      const real = await airlock("gc", "--json", "--data-dir", dataDir);
      expect([real.code, JSON.parse(real.stdout)]).toMatchObject([
        0,
        { blobs: 1, kept: { blobs: 0 } },
      ]);
      expect(ageBlobs(dataDir)).toBe(0);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
