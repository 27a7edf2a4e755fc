/** What goes into a run: input files however they travel, content however often it is written, results however long. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { everyCommand } from "./support/every-command.ts";
import { answerEvents, openWire } from "./support/model-wire.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const MiB = 1024 * 1024;
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const write = (name: string, content: string, more = {}) => ({
  tool: "content_write",
  arguments: { name, content, ...more },
});
const read = (name_or_handle: string, more = {}) => ({
  tool: "content_read",
  arguments: { name_or_handle, ...more },
});
const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** 11 MiB of many lines, each another, so that nothing of it can be lost or doubled unseen. */
const large = Array.from({ length: 900_000 }, (_, i) => `line ${i}`).join("\n");
const badNames = [
  "../x",
  "/etc/x",
  "a//b",
  ".hidden",
  "-rf",
  "a b",
  "ü",
  "x".repeat(600),
  "SKILL.md",
];

const scripts = {
  looks: {
    turns: [
      {
        calls: [
          exec("cd /workspace; find . -type f -exec stat -c '%n %a %s' {} + | sort; ./run.sh"),
        ],
      },
      { text: "end" },
    ],
  },
  sums: { turns: [{ calls: [exec("sha256sum < /workspace/large.bin")] }, { text: "end" }] },
  large: {
    turns: [
      { calls: [write("data/large.txt", large), exec("sha256sum < /tmp/data/large.txt")] },
      { calls: [read("data/large.txt", { offset: 10_000_000, limit: 1000 })] },
      { text: "end" },
    ],
  },
  names: { turns: [{ calls: badNames.map((name) => write(name, "x")) }, { text: "end" }] },
  stages: {
    turns: [
      { calls: [write("a.txt", "one"), write("sub/b.txt", "b"), exec("cat a.txt sub/b.txt")] },
      { calls: [exec("echo changed > a.txt; rm sub/b.txt"), exec("cat a.txt sub/b.txt")] },
      { calls: [read("a.txt"), write("a.txt", "two"), exec("cat a.txt")] },
      {
        calls: [exec("rm a.txt; mkdir a.txt; rm -r sub; ln -s /nowhere sub"), exec("ls -d a.txt")],
      },
      {
        calls: [
          write("a.txt", "three"),
          exec("true"),
          exec("rmdir a.txt; rm sub"),
          exec("cat a.txt"),
        ],
      },
      { text: "end" },
    ],
  },
  holds: { turns: [{ calls: [exec("sleep 600")] }] },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts } });
});
afterAll(() => gateway.stop());

async function play(script: keyof typeof scripts, more: object = {}) {
  const run = await clientOf(gateway).submitRun({
    model: `scripted/${script}`,
    prompt: "go",
    ...more,
  });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  return { run, results: await resultsOf(gateway, run.id) };
}

const submit = (files: object[]) =>
  call(gateway, "POST", "/api/runs", { model: "scripted/looks", prompt: "go", files });

async function submitForm(
  submission: object,
  parts: Record<string, Blob>,
  at: StartedGateway = gateway,
): Promise<Response> {
  const form = new FormData();
  form.append("submission", new Blob([JSON.stringify(submission)], { type: "application/json" }));
  for (const [slot, bytes] of Object.entries(parts)) form.append(`file:${slot}`, bytes);
  return fetch(`${at.url}/api/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${at.token}` },
    body: form,
  });
}

describe("input files", () => {
  it("lie in /workspace however they came, with their bytes, directories and modes", async () => {
    const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
    const response = await submitForm(
      {
        model: "scripted/looks",
        prompt: "go",
        files: [
          { path: "run.sh", content: "#!/bin/sh\nsha256sum < deep/er/b.bin\n", executable: true },
          { path: "deep/er/b.bin", contentBase64: Buffer.from(binary).toString("base64") },
          { path: "deep/part.bin", slot: "one", sha256: `sha256:${sha256(binary)}` },
          { path: "mit Leerzeichen/ü.txt", content: "grüße" },
          { path: "empty", content: "" },
        ],
      },
      { one: new Blob([binary]) },
    );
    expect(response.status).toBe(201);
    const { run } = (await response.json()) as { run: { id: string } };
    await clientOf(gateway).wait(run.id);
    const [looked] = await resultsOf(gateway, run.id);
    expect(looked).toMatchObject({ ok: true, stderr: "" });
    expect(String(looked?.stdout).trim().split("\n").sort()).toEqual(
      [
        "./deep/er/b.bin 644 256",
        "./deep/part.bin 644 256",
        "./empty 644 0",
        "./mit Leerzeichen/ü.txt 644 7",
        "./run.sh 755 36",
        `${sha256(binary)}  -`,
      ].sort(),
    );
  });

  it("are refused by field when they cannot be what they say or lie where they want to", async () => {
    const file = (path: string, more: object = { content: "x" }) => ({ path, ...more });
    const wrong: [object[], string][] = [
      [[file("a", { content: "x", sha256: `sha256:${sha256("y")}` })], "files[0].sha256"],
      [[file("a"), file("b"), file("a")], "files[2].path"],
      [[file("a"), file("a/b")], "files[1].path"],
      [[file("a/b/c"), file("a/b")], "files[0].path"],
      [[file("../a")], "files[0].path"],
      [[file("a/../../b")], "files[0].path"],
      [[file("/etc/passwd")], "files[0].path"],
      [[file("a//b")], "files[0].path"],
      [[file("a\0b")], "files[0].path"],
      [[file("a", {})], "files[0]"],
      [[file("a", { content: "x", contentBase64: "eA==" })], "files[0]"],
      [[file("a", { contentBase64: "not base64!" })], "files[0].contentBase64"],
    ];
    for (const [files, path] of wrong) {
      const { status, body } = await submit(files);
      expect(status, path).toBe(400);
      const { details } = body.error as { details: { fields: { path: string }[] } };
      expect(details.fields.map((field) => field.path)).toContain(path);
    }
    const missing = await submit([file("a", { slot: "one" })]);
    expect([missing.status, JSON.stringify(missing.body)]).toEqual([
      400,
      expect.stringContaining("file:one"),
    ]);
    expect((await submit([file("a", { content: "x".repeat(MiB + 1) })])).status).toBe(413);
  });

  it("of 150 MB pass through the gateway without being held in its memory", async () => {
    const own = await startGateway({ script: { scripts }, env: { AIRLOCK_MAX_RUNS: "1" } });
    try {
      const holder = await clientOf(own).submitRun({ model: "scripted/holds", prompt: "x" });
      await untilEvent(holder, "call.started");
      const bytes = Buffer.alloc(150 * MiB);
      for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
      const before = memoryOf(own.pid).VmRSS;
      const response = await submitForm(
        {
          model: "scripted/sums",
          prompt: "go",
          files: [{ path: "large.bin", slot: "big", sha256: `sha256:${sha256(bytes)}` }],
        },
        { big: new Blob([bytes]) },
        own,
      );
      expect(response.status).toBe(201);
      // The run waits for a place: so far there was only the upload.
      expect(memoryOf(own.pid).VmHWM - before).toBeLessThan(100 * MiB);
      const { run } = (await response.json()) as { run: { id: string } };
      await holder.cancel();
      await clientOf(own).wait(run.id);
      const [summed] = await resultsOf(own, run.id);
      expect(summed?.stdout).toBe(`${sha256(bytes)}  -\n`);
    } finally {
      await own.stop();
    }
  });
});

/** Of a process, in bytes: what it holds now, and the most it ever held. */
function memoryOf(pid: number): { VmRSS: number; VmHWM: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { VmRSS: kib("VmRSS") * 1024, VmHWM: kib("VmHWM") * 1024 };
}

describe("content", () => {
  it("of more than 10 MB is written, staged and read back as it is", async () => {
    expect(Buffer.byteLength(large)).toBeGreaterThan(10 * MiB);
    const { run, results } = await play("large");
    const handle = `sha256:${sha256(large)}`;
    expect(results[0]).toMatchObject({ ok: true, handle, bytes_written: Buffer.byteLength(large) });
    expect(results[1]).toMatchObject({ stdout: `${sha256(large)}  -\n` });
    expect(results[2]).toMatchObject({
      content: large.slice(10_000_000, 10_001_000),
      truncated: true,
      next_offset: 10_001_000,
    });
    // The journal names the text and does not repeat it.
    expect(JSON.stringify(await historyOf(gateway, run.id)).length).toBeLessThan(100_000);
  });

  it("has names that are harmless in a path, in a shell and in an archive", async () => {
    const { results } = await play("names");
    expect(results).toHaveLength(badNames.length);
    for (const result of results) {
      expect(result).toMatchObject({ ok: false, error_type: "validation" });
      expect(result.message).toContain("content_write: name:");
    }
  });

  it("is staged before each command: kept when the run changed it, replaced when it is newer", async () => {
    const capabilities = [
      { type: "ReadAccess", scopes: ["self.*"] },
      { type: "WriteAccess", scopes: ["self.*"] },
      { type: "CodeExecution", patterns: everyCommand },
    ];
    const agent = { instructions: "You do as you are told", capabilities };
    const { run, results } = await play("stages", { agent });
    const commands = results.filter((result) => "exit_code" in result);
    expect(commands.map(({ stdout }) => stdout)).toEqual([
      "oneb",
      "",
      "changed\nb",
      "two",
      "",
      "a.txt\n",
      "",
      "",
      "three",
    ]);
    expect(commands[1]).not.toHaveProperty("kept_changed_files");
    expect(commands[2]).toMatchObject({ ok: true, kept_changed_files: ["a.txt"] });
    expect(commands[3]).not.toHaveProperty("kept_changed_files");
    const inTheWay = [
      { name: "a.txt", reason: expect.stringMatching(/directory/i) },
      { name: "sub/b.txt", reason: expect.stringMatching(/link/i) },
    ];
    expect(commands[5]).toMatchObject({ ok: true, not_placed: inTheWay });
    expect(commands[6]).toMatchObject({ ok: true, not_placed: inTheWay });
    expect(commands[8]).not.toHaveProperty("not_placed");
    // What was read back is what was written, not what a command made of it.
    expect(results.find((result) => "total_bytes" in result)).toMatchObject({ content: "one" });
    expect((await run.get()).calls).toBe(14);
  });
});

describe("a long result", () => {
  it("comes back to the model whole, although the journal only names it", async () => {
    const text = Array.from({ length: 9000 }, (_, i) => `Zeile ${i} ✓`).join("\n");
    const wire = await openWire();
    wire.answer(
      answerEvents(toolCalls([write("long.txt", text)])),
      answerEvents(toolCalls([read("long.txt")])),
      answerEvents(lastWord("Read it.")),
    );
    const own = await startGateway({ env: { OPENAI_COMPATIBLE_BASE_URL: wire.url } });
    try {
      const run = await clientOf(own).submitRun({ model: "compatible/any", prompt: "go" });
      expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Read it." });
      const { messages } = JSON.parse(wire.requests[2]?.body ?? "");
      const tools = messages.filter((message: { role: string }) => message.role === "tool");
      expect(JSON.parse(tools[1].content)).toMatchObject({ ok: true, content: text });
      const asked = messages.find((message: { tool_calls?: unknown }) => message.tool_calls);
      expect(JSON.parse(asked.tool_calls[0].function.arguments).content).toBe(text);
      expect(JSON.stringify(await historyOf(own, run.id)).length).toBeLessThan(20_000);
    } finally {
      await own.stop();
      await wire.close();
    }
  });
});

function chunk(delta: object, finish_reason: string | null): object {
  const choices = [{ index: 0, delta, finish_reason }];
  return { id: "c", object: "chat.completion.chunk", created: 1, model: "any", choices };
}

function toolCalls(calls: { tool: string; arguments: object }[]): unknown[] {
  const tool_calls = calls.map((one, index) => ({
    index,
    id: `call_${index}_${one.tool}`,
    type: "function",
    function: { name: one.tool, arguments: JSON.stringify(one.arguments) },
  }));
  return [chunk({ role: "assistant", tool_calls }, null), chunk({}, "tool_calls"), "[DONE]"];
}

function lastWord(content: string): unknown[] {
  return [chunk({ role: "assistant", content }, null), chunk({}, "stop"), "[DONE]"];
}
