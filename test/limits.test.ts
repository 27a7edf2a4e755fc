/**
 * I9: every limit of a run ends it, or one of its commands, by name, and what was made before stays. One gateway plays a
 * script for each; the run asks for the limit that it then meets.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { readZip } from "./support/read-zip.ts";
import { resultsIn, resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const MiB = 1024 * 1024;
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const turn = (...commands: string[]) => ({ calls: commands.map(exec) });
const keep = "echo kept > /workspace/out/kept.txt";
/** Takes its memory and holds it, so that it is found by whoever looks only now and then. */
const hog = `python3 -c "import time; x = b'x' * 400_000_000; time.sleep(600)"`;
const fill = "for i in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero > /tmp/f$i || exit; done";

const scripts = {
  hangs: { turns: [turn(keep), turn("sleep 600")] },
  thinks: { turns: [turn(keep), { delayMs: 600_000 }] },
  works: {
    turns: Array.from({ length: 8 }, (_, i) => ({
      ...turn(`echo ${i} > /workspace/out/kept.txt`),
      usage: { output_tokens: 40 },
    })),
  },
  together: { turns: [turn(...[1, 2, 3].map((i) => `echo ${i} > /workspace/out/kept.txt`))] },
  fills: { turns: [turn(keep, fill), { text: "never said" }] },
  onefile: { turns: [turn(keep, "head -c 40000000 /dev/zero > /tmp/f"), { text: "end" }] },
  slow: { turns: [turn("sleep 600"), turn("echo still here"), { text: "end" }] },
  hogs: { turns: [turn(hog, "echo still here"), { text: "end" }] },
  says: {
    turns: [
      turn(
        "echo the start; printf 'x%s' \"$(yes é | head -n 500000 | tr -d '\\n')\"; echo the end",
        "echo the start; head -c 20000000 /dev/zero | tr '\\0' x; echo the end >&2; echo the end",
      ),
      { text: "end" },
    ],
  },
  layers: {
    turns: [
      {
        calls: [1, 2, 3].map((n) => ({
          tool: "sandbox_exec",
          arguments: {
            command: `mkdir /tmp/deps && head -c 6000000 /dev/zero | tr '\\0' ${n} > /tmp/deps/f`,
            capture_paths: [{ path: "/tmp/deps" }],
          },
        })),
      },
      { text: "end" },
    ],
  },
  lastword: { turns: [{ text: "end", usage: { output_tokens: 1000 } }] },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({
    script: { scripts },
    env: {
      AIRLOCK_RUN_WALL_CLOCK_SECONDS: "60",
      AIRLOCK_RUN_TURNS: "50",
      AIRLOCK_RUN_CALLS: "100",
      AIRLOCK_RUN_OUTPUT_TOKENS: "10000",
      AIRLOCK_RUN_DISK_BYTES: String(256 * MiB),
      AIRLOCK_RUN_MEMORY_BYTES: String(1024 * MiB),
      AIRLOCK_CALL_SECONDS: "60",
    },
  });
});
afterAll(() => gateway.stop());

async function play(script: keyof typeof scripts, more: object = {}) {
  const run = await clientOf(gateway).submitRun({
    model: `scripted/${script}`,
    prompt: "go",
    outputDirs: ["/workspace/out"],
    ...more,
  });
  return { run, ended: await run.wait() };
}

describe("a run that reaches a limit", () => {
  const cases = [
    ["hangs", { wallClockSeconds: 1.5 }, "deadline", "kept"],
    ["thinks", { wallClockSeconds: 1.5 }, "deadline", "kept"],
    ["works", { turns: 3 }, "turn_limit", "2"],
    ["works", { calls: 2 }, "call_limit", "1"],
    ["together", { calls: 2 }, "call_limit", "2"],
    ["works", { outputTokens: 100 }, "token_limit", "2"],
    ["fills", { diskBytes: 8 * MiB }, "disk_limit", "kept"],
  ] as const;
  for (const [script, limits, stopReason, kept] of cases) {
    it(`ends as terminated, ${stopReason}, with what it made (${script})`, async () => {
      const { run, ended } = await play(script, { limits });
      expect(ended).toMatchObject({
        status: "terminated",
        stop_reason: stopReason,
        cleanup_status: "succeeded",
      });
      const [name, limit] = Object.entries(limits)[0] ?? [];
      expect(ended.message, name).toContain(String(limit));
      const output = await run.downloadOutput({ path: "kept.txt", match: "suffix" });
      expect(Buffer.from(output).toString()).toBe(`${kept}\n`);
      const zip = await readZip(await run.download());
      expect(zip.get("outputs/kept.txt")?.toString()).toBe(`${kept}\n`);
      expect(JSON.parse(zip.get("manifest.json")?.toString() ?? "")).toMatchObject({
        partial: false,
        missing: [],
      });
    });
  }

  it("is ended by its agent's own time", async () => {
    const agent = {
      instructions: "Hang.",
      capabilities: [{ type: "CodeExecution" as const, patterns: ["*" as const] }],
      limits: { max_execution_time_sec: 1 },
    };
    expect((await play("hangs", { agent })).ended).toMatchObject({
      status: "terminated",
      stop_reason: "deadline",
    });
  });

  it("may say its last word although that takes it over a limit", async () => {
    const { ended } = await play("lastword", { limits: { turns: 1, outputTokens: 10 } });
    expect(ended).toMatchObject({ status: "succeeded", reply: "end" });
  });
});

describe("a command that reaches a limit", () => {
  it("makes no more layers than the run may use of the disk, which they leave its directories for", async () => {
    const { run, ended } = await play("layers", { limits: { diskBytes: 8 * MiB } });
    expect(ended).toMatchObject({ status: "succeeded", reply: "end" });
    const [first, second, third] = await resultsOf(gateway, run.id);
    expect([first?.ok, second?.ok, third?.ok]).toEqual([true, true, false]);
    expect(third).toMatchObject({ error_type: "resource", error_kind: "disk_limit" });
    expect(third?.message).toBe(
      "The layers of this run have 12000000 bytes; it may use 8388608 bytes of disk",
    );
  });

  it("is killed at its time, and the run goes on", async () => {
    const { run, ended } = await play("slow", { limits: { callSeconds: 0.5 } });
    expect(ended).toMatchObject({ status: "succeeded", reply: "end" });
    const [slow, next] = await resultsOf(gateway, run.id);
    expect(slow).toMatchObject({ ok: false, error_kind: "timeout", exit_code: null });
    expect(slow?.message).toContain("0.5 s");
    expect(next).toMatchObject({ ok: true, stdout: "still here\n" });
  });

  for (const [whose, more] of [
    ["the run's", { limits: { memoryBytes: 96 * MiB } }],
    [
      "the agent's",
      {
        agent: {
          instructions: "x",
          capabilities: [{ type: "CodeExecution" as const, patterns: ["*" as const] }],
          limits: { max_memory_mb: 96 },
        },
      },
    ],
  ] as const) {
    it(`is killed at ${whose} memory, and the run goes on`, async () => {
      const { run, ended } = await play("hogs", more);
      expect(ended).toMatchObject({ status: "succeeded", reply: "end" });
      const [hogged, next] = await resultsOf(gateway, run.id);
      expect(hogged).toMatchObject({ ok: false, error_kind: "memory_limit" });
      expect(hogged?.message).toContain(String(96 * MiB));
      expect(next).toMatchObject({ ok: true, stdout: "still here\n" });
    });
  }

  it("cannot write one file larger than the run's disk", async () => {
    const { ended } = await play("onefile", { limits: { diskBytes: 8 * MiB } });
    expect(ended).toMatchObject({ status: "terminated", stop_reason: "disk_limit" });
  });

  it("shows head and tail of a flood to the model and keeps the whole, up to a cap", async () => {
    const { run, ended } = await play("says");
    expect(ended.status).toBe("succeeded");
    const history = await historyOf(gateway, run.id);
    const [flood, larger] = resultsIn(history);
    for (const result of [flood, larger]) {
      const shown = String(result?.stdout);
      expect(shown.startsWith("the start\n")).toBe(true);
      expect(shown.endsWith("the end\n")).toBe(true);
      expect(shown).toMatch(/bytes are left out here/);
      expect(Buffer.byteLength(shown)).toBeLessThan(34 * 1024);
      expect(shown).not.toContain("\uFFFD");
    }
    expect(larger?.stderr).toBe("the end\n");
    const [kept, cut] = history.filter((event) => isEvent(event, "call.finished"));
    expect(kept?.data.stdout).toMatchObject({ truncated: false });
    expect(cut?.data.stdout).toMatchObject({ bytes: 20_000_018, truncated: true });
    expect(kept?.data.stderr).toBeUndefined();
    const blob = String(kept?.data.stdout?.blob).slice("sha256:".length);
    const path = join(gateway.dataDir, "blobs", blob.slice(0, 2), blob.slice(2));
    const whole = readFileSync(path, "utf8");
    expect(Buffer.byteLength(whole)).toBe(kept?.data.stdout?.bytes);
    expect(whole).toMatch(/^the start\n.*the end\n$/s);
  });
});

describe("a submission that asks for more than the operator allows", () => {
  const most = {
    wallClockSeconds: 60,
    turns: 50,
    calls: 100,
    outputTokens: 10_000,
    diskBytes: 256 * MiB,
    memoryBytes: 1024 * MiB,
    callSeconds: 60,
  };
  for (const [name, max] of Object.entries(most)) {
    it(`is refused by the name of ${name}, and gets exactly the most there is`, async () => {
      const submit = (value: number) =>
        call(gateway, "POST", "/api/runs", {
          model: "scripted/lastword",
          prompt: "x",
          limits: { [name]: value },
        });
      const { status, body } = await submit(max + 1);
      expect(status).toBe(400);
      expect(body).toMatchObject({
        error: {
          code: "invalid_request",
          details: { fields: [{ path: `limits.${name}`, received: String(max + 1) }] },
        },
      });
      expect((await submit(max)).status).toBe(201);
    });
  }
});
