/** P8: what a run made comes back however the run ended, under names that are safe anywhere, and what does not is named. */
import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunRef } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { readZip } from "./support/read-zip.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const exec = (command: string, more: object = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});
const make = exec("mkdir -p /workspace/out/sub; echo made | tee /workspace/out/sub/a.txt");
const makeAnother = exec("echo another > /workspace/out/b.txt; echo up; sleep 600");

const strange = [
  "cd /workspace/out",
  "echo 1 > ok.txt",
  "ln -s /etc/passwd link.txt",
  "ln -s / rootlink",
  "mkfifo fifo",
  "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('socket')\"",
  "printf x > $(printf 'bad-\\377-name')",
  "printf x > 'NUL.txt'",
  "printf x > 'a:b?.txt'",
  "printf upper > CASE.txt; printf lower > case.txt",
  "printf x > \"$(printf 'line\\nbreak')\"",
  "mv /workspace/gone /workspace/away",
].join(" && ");

const scripts = {
  succeeds: { turns: [{ calls: [make] }, { text: "done" }] },
  fails: {
    turns: [{ calls: [make] }, { failWith: { reason: "model_error", message: "Out of ideas" } }],
  },
  limited: { turns: [{ calls: [make] }, { calls: [make] }] },
  hangs: { turns: [{ calls: [make] }, { calls: [makeAnother] }, { text: "went on" }] },
  strange: { turns: [{ calls: [exec(strange, { network: "none" })] }, { text: "done" }] },
  several: {
    turns: [
      {
        calls: [
          exec("echo w > /workspace/out/x.txt; echo t > /tmp/out/x.txt; echo s > /tmp/state/x.txt"),
        ],
      },
      { text: "done" },
    ],
  },
  sparse: {
    turns: [
      { calls: [exec("cd /workspace/out; for i in 1 2 3; do truncate -s 900000 s$i; done")] },
      { text: "done" },
    ],
  },
  page: {
    turns: [{ calls: [exec("echo '<script>' > '/workspace/out/ü\"x.html'")] }, { text: "" }],
  },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts }, env: { AIRLOCK_MAX_RUNS: "2" } });
});
afterAll(() => gateway.stop());

function submit(script: keyof typeof scripts, more: object = {}): Promise<RunRef> {
  return clientOf(gateway).submitRun({
    model: `scripted/${script}`,
    prompt: "go",
    outputDirs: ["/workspace/out"],
    ...more,
  });
}

interface Manifest {
  source: string;
  partial: boolean;
  outputs: { id: string; path: string; sourcePath: string; byteSize: number; sha256: string }[];
  missing: { path?: string; reason: string }[];
}

async function archiveOf(run: RunRef) {
  const zip = await readZip(await run.download());
  const manifest: Manifest = JSON.parse(zip.get("manifest.json")?.toString() ?? "");
  const names = [...zip.keys()].filter((name) => name.startsWith("outputs/"));
  return { zip, manifest, names, text: (name: string) => zip.get(`outputs/${name}`)?.toString() };
}

describe("what a run made", () => {
  const ends = [
    ["succeeds", "succeeded", {}],
    ["fails", "failed", {}],
    ["limited", "terminated", { limits: { turns: 1 } }],
    ["hangs", "cancelled", {}],
  ] as const;
  for (const [script, status, more] of ends) {
    it(`comes back when the run ${status}`, async () => {
      const run = await submit(script, more);
      if (status === "cancelled") {
        await untilEvent(run, "call.output", 2);
        await run.cancel();
      }
      expect((await run.wait()).status).toBe(status);
      const { manifest, names, text } = await archiveOf(run);
      expect(manifest).toMatchObject({ source: "s3", partial: false, missing: [] });
      const both = ["outputs/b.txt", "outputs/sub/a.txt"];
      expect(names).toEqual(status === "cancelled" ? both : ["outputs/sub/a.txt"]);
      expect(text("sub/a.txt")).toBe("made\n");
      for (const { path, sha256, byteSize, sourcePath } of manifest.outputs) {
        const bytes = text(path.slice("outputs/".length)) ?? "";
        expect(byteSize).toBe(bytes.length);
        expect(sha256).toBe(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
        expect(sourcePath).toMatch(/^\/workspace\/out\//);
      }
    });
  }

  it("is there as the last snapshot while a later command still runs", async () => {
    const run = await submit("hangs");
    await untilEvent(run, "call.output", 2);
    expect((await run.get()).status).toBe("running");
    const { zip, manifest, names, text } = await archiveOf(run);
    expect(manifest).toMatchObject({ source: "live", partial: true });
    expect(names).toEqual(["outputs/sub/a.txt"]);
    expect(text("sub/a.txt")).toBe("made\n");
    expect(JSON.parse(zip.get("run.json")?.toString() ?? "").status).toBe("running");
    const outputs = await run.outputs();
    expect(outputs.map(({ name }) => name)).toEqual(["sub/a.txt"]);
    const bytes = await run.downloadOutput({ id: outputs[0]?.id ?? "" });
    expect(Buffer.from(bytes).toString()).toBe("made\n");
    await run.cancel();
    await run.wait();
    // The id that a client was given of the snapshot is still the file's.
    expect((await run.outputs()).find(({ id }) => id === outputs[0]?.id)?.name).toBe("sub/a.txt");
  });

  it("comes back under safe, unique names, and what cannot come back is named with the reason", async () => {
    const run = await submit("strange", { outputDirs: ["/workspace/out", "/workspace/gone"] });
    expect((await run.wait()).status).toBe("succeeded");
    const { manifest, names, text } = await archiveOf(run);
    const reasons = Object.fromEntries(manifest.missing.map(({ path, reason }) => [path, reason]));
    expect(reasons).toEqual({
      "/workspace/gone": "directory_missing",
      "/workspace/out/link.txt": "not_a_regular_file",
      "/workspace/out/rootlink": "not_a_regular_file",
      "/workspace/out/fifo": "not_a_regular_file",
      "/workspace/out/socket": "not_a_regular_file",
      "/workspace/out/bad-\\xff-name": "name_not_utf8",
    });
    expect(names).toHaveLength(6);
    const folded = names.map((name) => name.normalize("NFC").toLowerCase());
    expect(new Set(folded).size).toBe(names.length);
    for (const name of names) {
      expect(name).toMatch(/^outputs\/out\/[^\0-\x1f\\:*?"<>|]+$/);
      expect(name).not.toMatch(/\/nul\.txt$/i);
    }
    expect(text("out/ok.txt")).toBe("1\n");
    const contents = names.map((name) => text(name.slice("outputs/".length)));
    expect(contents).toEqual(expect.arrayContaining(["upper", "lower"]));
  });

  it("is told apart by its directory when there are several", async () => {
    const outputDirs = ["/workspace/out", "/tmp/out", "/tmp/state"];
    const run = await submit("several", { outputDirs });
    await run.wait();
    const { manifest, names } = await archiveOf(run);
    expect(names).toHaveLength(3);
    expect(names).toContain("outputs/state/x.txt");
    expect(manifest.outputs.map(({ sourcePath }) => sourcePath).sort()).toEqual(
      outputDirs.map((dir) => `${dir}/x.txt`).sort(),
    );
  });

  it("never takes more of the gateway's disk than the run may use, however sparse its files are", async () => {
    const run = await submit("sparse", { limits: { diskBytes: 2 ** 21 } });
    expect((await run.wait()).status).toBe("succeeded");
    expect((await run.outputs()).map(({ bytes }) => bytes)).toEqual([900_000, 900_000]);
    const captured = (await historyOf(gateway, run.id)).findLast(
      ({ type }) => type === "outputs.captured",
    );
    expect((captured?.data as { missing: unknown } | undefined)?.missing).toMatchObject([
      { path: "/workspace/out/s3", reason: "storage_cap_exceeded" },
    ]);
  });

  it("is only saved by a browser, never shown", async () => {
    const run = await submit("page");
    await run.wait();
    const [output] = await run.outputs();
    const path = `/api/runs/${run.id}/outputs/${output?.id}`;
    const get = (headers: Record<string, string> = {}) =>
      fetch(gateway.url + path, {
        headers: { authorization: `Bearer ${gateway.token}`, ...headers },
      });
    const response = await get();
    expect(await response.text()).toBe("<script>\n");
    expect(response.headers.get("content-type")).toMatch(/^text\/html/);
    expect(response.headers.get("content-length")).toBe("9");
    expect(response.headers.get("content-disposition")).toMatch(
      /^attachment; (?:.*; )?filename\*=UTF-8''%C3%BC[%\w.-]*x\.html$/,
    );
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-security-policy")).toMatch(/sandbox|default-src 'none'/);
    const etag = response.headers.get("etag") ?? "";
    expect(etag).toBe(`"${output?.sha256}"`);
    expect((await get({ "if-none-match": etag })).status).toBe(304);
  });
});

describe("an archive", () => {
  it("of a run that asked for nothing has its record and its events", async () => {
    const run = await submit("succeeds", { outputDirs: [] });
    await run.wait();
    const { zip, manifest } = await archiveOf(run);
    expect([...zip.keys()].filter((name) => name !== "outputs/")).toEqual([
      "run.json",
      "events.jsonl",
      "custody.json",
      "manifest.json",
      "attestation.json",
    ]);
    expect(manifest).toMatchObject({ outputs: [], missing: [], partial: false });
    const lines = zip.get("events.jsonl")?.toString().trim().split("\n") ?? [];
    expect(lines.map((line) => JSON.parse(line))).toEqual(await historyOf(gateway, run.id));
  });

  it("is not there before the run has started", async () => {
    const holders = [await submit("hangs"), await submit("hangs")];
    for (const run of holders) await untilEvent(run, "call.started");
    const queued = await submit("succeeds");
    const { status, body } = await call(gateway, "GET", `/api/runs/${queued.id}/archive`);
    expect([status, body]).toMatchObject([409, { error: { code: "run_not_started" } }]);
    expect(await queued.outputs()).toEqual([]);
    for (const run of holders) await run.cancel();
    await queued.wait();
    expect((await archiveOf(queued)).names).toEqual(["outputs/sub/a.txt"]);
  });

  it("of a run whose directories were damaged has the last snapshot, and the run ends", async () => {
    const dataDir = newDataDir();
    const doomed = await startGateway({ script: { scripts }, dataDir });
    const client = clientOf(doomed);
    const { id } = await client.submitRun({
      model: "scripted/hangs",
      prompt: "go",
      outputDirs: ["/workspace/out"],
    });
    await untilEvent(client.run(id), "call.output", 2);
    await doomed.kill9();
    const workspace = join(dataDir, "runs", id, "workspace");
    rmSync(workspace, { recursive: true });
    writeFileSync(workspace, "not a directory");

    const next = await startGateway({ script: { scripts }, dataDir });
    try {
      const run = clientOf(next).run(id);
      const ended = await run.wait({ timeoutMs: 10_000 });
      expect(ended.cleanup_status).toBe("succeeded");
      const { manifest, text } = await archiveOf(run);
      expect(text("sub/a.txt")).toBe("made\n");
      expect(manifest.missing).toMatchObject([{ path: "/workspace/out" }]);
      expect((await clientOf(next).verify()).defects).toEqual([]);
    } finally {
      await next.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
