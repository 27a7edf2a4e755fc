import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { typed } from "../../test/support/terminal.ts";

const runId = "run_01kadz3v6m5c0jx9s2qf8t7w4b";
const events = [1, 2, 3].map((seq) => ({
  runId,
  seq,
  time: "2026-01-01",
  type: "run.started",
  data: { text: "ü" },
}));

let server: Server;
let url: string;
let dir: string;
let before: string;
/** The names of the outputs, as a gateway, or who plays one, says them. */
let names: string[];
let status: string;
/** It is no gateway any more. */
let broken: boolean;

beforeEach(async () => {
  [names, status, broken] = [["out/report.csv", "out/deep/b.txt"], "succeeded", false];
  dir = await tempDir("download");
  before = process.cwd();
  process.chdir(dir);
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const json = (value: unknown) => response.end(JSON.stringify(value));
    if (broken) return response.writeHead(500).end();
    if (pathname.endsWith("/events")) {
      if (!request.headers.accept?.includes("event-stream")) return json({ events });
      return response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    }
    if (pathname.endsWith("/archive")) return response.end("PK zip");
    if (pathname.endsWith("/outputs")) {
      return json({
        outputs: names.map((name, at) => ({ id: `out_${at}`, name, path: `/${name}` })),
      });
    }
    if (pathname.includes("/outputs/")) return response.end(`bytes of ${pathname.at(-1)}`);
    json({ run: { id: runId, status, stop_reason: null, lastSeq: 0 } });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  process.chdir(before);
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const airlock = (...argv: string[]) => typed(argv, { url });

describe("download", () => {
  it("saves everything, or the part that is asked for, under names that say the run", async () => {
    const saved = [
      [[], `airlock-${runId}.zip  6 B\n`],
      [["--only", "events"], /^airlock-run_\w+\.events\.jsonl {2}\d+ B\n$/],
      [["--only", "metadata"], /^airlock-run_\w+\.run\.json {2}\d+ B\n$/],
      [["--only", "outputs"], `airlock-${runId}  2 files, 20 B\n`],
      [["--only", "outputs", "--out", "mine"], "mine  2 files, 20 B\n"],
    ] as const;
    for (const [flags, said] of saved) {
      const { code, out, err } = await airlock("download", runId, ...flags);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(said);
    }
    expect((await readdir(".")).sort()).toEqual(
      [
        ...[`airlock-${runId}`, `airlock-${runId}.events.jsonl`, `airlock-${runId}.run.json`],
        ...[`airlock-${runId}.zip`, "mine"],
      ].sort(),
    );
    const lines = (await readFile(`airlock-${runId}.events.jsonl`, "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(events);
    expect(await readFile("mine/out/deep/b.txt", "utf8")).toBe("bytes of 1");
    const { out } = await airlock("download", runId, "--only", "metadata", "--json");
    expect(JSON.parse(out)).toMatchObject({ runId, part: "metadata" });
  });

  it("writes nothing outside of its directory, whatever the names say, and replaces nothing", async () => {
    for (const bad of ["../x", "/etc/x", "a/../../x", "a\\..\\x", "C:/x", "a//b", "a\0b", "."]) {
      names = ["good.txt", bad];
      const { code, err } = await airlock("download", runId, "--only", "outputs", "--out", "in");
      expect([bad, code]).toEqual([bad, 1]);
      expect(err).toMatch(/must (not|be)/);
    }
    expect(await readdir(".")).toEqual([]);
    names = ["out/report.csv"];
    await mkdir("in/out", { recursive: true });
    await writeFile("in/out/report.csv", "precious");
    const { code, err } = await airlock("download", runId, "--only", "outputs", "--out", "in");
    expect([code, err]).toEqual([1, expect.stringContaining("already a file in/out/report.csv")]);
    expect(await readFile("in/out/report.csv", "utf8")).toBe("precious");
  });

  it("takes one part or one output, not both", async () => {
    const both = await airlock("download", runId, "--only", "events", "--output", "x");
    expect([both.code, both.err]).toEqual([2, expect.stringContaining("Give only one of")]);
    const logs = await airlock("download", runId, "--only", "logs");
    expect(logs.err).toContain("Expected one of outputs, events, metadata");
  });
});

describe("what programs read", () => {
  it("is a line of JSON for each when stdout is no terminal, and a table when it is", async () => {
    for (const [command, type] of [
      ["events", "run.started"],
      ["outputs", "out_0"],
    ] as const) {
      const piped = await airlock(command, runId);
      for (const line of piped.out.trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
      const seen = await typed([command, runId], { url, tty: true });
      expect(seen.out).toContain(type);
      expect(() => JSON.parse(seen.out.split("\n")[0] ?? "")).toThrow();
    }
  });

  it("says how a run is when a deadline is over, which ends with 3", async () => {
    status = "running";
    for (const argv of [
      ["wait", runId],
      ["events", runId, "--follow"],
    ]) {
      for (const timeout of ["0ms", "0", "50ms"]) {
        const { code, err } = await airlock(...argv, "--timeout", timeout, "--json");
        expect([argv, code]).toEqual([argv, 3]);
        const { error } = JSON.parse(err);
        expect(error).toMatchObject({
          code: "wait_timeout",
          details: { runId, lastStatus: "running" },
        });
      }
    }
    const alone = await airlock("events", runId, "--timeout", "1s");
    expect([alone.code, alone.err]).toEqual([2, expect.stringContaining("goes with --follow")]);
  });

  it("has no workspace to choose: it comes from the token", async () => {
    for (const argv of [["status", runId], ["list"], ["run", "x"]]) {
      for (const flag of [["--workspace", "other"], ["--workspace=other"]]) {
        const { code, err } = await airlock(...argv, ...flag);
        expect(code).toBe(2);
        expect(err).toContain("the workspace comes from the token");
        expect(err).toContain("airlock token create");
      }
    }
  });

  it("leaves the file of before where the gateway breaks off", async () => {
    await writeFile("kept.jsonl", "of before");
    broken = true;
    for (const part of ["events", "metadata"]) {
      const { code } = await airlock("download", runId, "--only", part, "--out", "kept.jsonl");
      expect(code).toBe(1);
      expect(await readFile("kept.jsonl", "utf8")).toBe("of before");
    }
    expect(await readdir(".")).toEqual(["kept.jsonl"]);
  });
});
