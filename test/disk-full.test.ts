/**
 * A full disk is an answer, not an end: what cannot be kept is refused, what was promised is kept, and nobody has to
 * start anything again once there is space.
 *
 * Method: the gateway gets a small filesystem of its own (a tmpfs in a mount namespace, which an ordinary user can have
 * too), laid over a data directory that was used before. It is filled and emptied through `/proc/<pid>/root`.
 */
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { answerEvents, openWire, type Wire, type WireAnswer } from "./support/model-wire.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const MiB = 1024 * 1024;
const dataDir = newDataDir();
const isRoot = process.getuid?.() === 0;
const { node, root } = checkoutFor(undefined);

/** Runs the gateway on a copy of the data directory, in a filesystem of 24 MiB that only it can see. */
const onSmallDisk = [
  ...["unshare", "--mount", ...(isRoot ? [] : ["--user", "--map-root-user"]), "sh", "-ec"],
  `mkdir "$0.small"
   mount -t tmpfs -o size=24m,mode=711 airlock-test "$0.small"
   mkdir "$0.small/runtime"
   mount --bind "$0/runtime" "$0.small/runtime"
   find "$0" -mindepth 1 -maxdepth 1 ! -name runtime -exec cp -a {} "$0.small/" ";"
   mount --rbind "$0.small" "$0"
   ${isRoot ? 'exec "$@"' : 'exec unshare --user --map-user="$ID" --map-group="$ID" -- "$@"'}`,
  ...[dataDir, node, join(root, "src/main.ts")],
];

let wire: Wire;
let gateway: StartedGateway;
beforeAll(async () => {
  wire = await openWire();
  const env = { OPENAI_COMPATIBLE_BASE_URL: wire.url, ID: String(process.getuid?.()) };
  const script = { turns: [{ text: "done" }] };
  // The first start makes the token that the test reads; the second runs on a copy of what it left.
  expect(await (await startGateway({ dataDir, script, env })).stop()).toBe(0);
  gateway = await startGateway({ dataDir, script, env, program: onSmallDisk });
});
afterAll(async () => {
  await wire.close();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(`${dataDir}.small`, { recursive: true, force: true });
});

const filler = () => join(`/proc/${gateway.pid}/root`, dataDir, "filler");

/** Leaves so many bytes free. */
function fillDisk(free = 0): void {
  const fd = openSync(filler(), "a", 0o600);
  try {
    let size = 0;
    for (const step of [MiB, 4096, 1]) {
      try {
        for (;;) size += writeSync(fd, Buffer.alloc(step, 1));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
      }
    }
    ftruncateSync(fd, size - free);
  } finally {
    closeSync(fd);
  }
}

const submit = (more: object = {}) =>
  call(gateway, "POST", "/api/runs", { model: "scripted/x", prompt: "go", ...more });
const idOf = (body: Record<string, unknown>) => (body.run as { id: string }).id;
const storageFull = [507, { error: { code: "storage_full" } }];

async function upload(bytes: string): Promise<[number, unknown]> {
  const form = new FormData();
  const files = [{ path: "a", slot: "one" }];
  const submission = { model: "scripted/x", prompt: "go", files };
  form.append("submission", new Blob([JSON.stringify(submission)], { type: "application/json" }));
  form.append("file:one", new Blob([bytes]));
  const response = await fetch(`${gateway.url}/api/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${gateway.token}` },
    body: form,
  });
  return [response.status, await response.json()];
}

function chunk(delta: object, finish_reason: string | null): object {
  const choices = [{ index: 0, delta, finish_reason }];
  return { id: "c", object: "chat.completion.chunk", created: 1, model: "any", choices };
}

const calls = (name: string, args: object) => {
  const wanted = { name, arguments: JSON.stringify(args) };
  const tool_calls = [{ index: 0, id: `call_${name}`, type: "function", function: wanted }];
  const delta = { role: "assistant", tool_calls };
  return answerEvents([chunk(delta, null), chunk({}, "tool_calls"), "[DONE]"]);
};
const lastWord = answerEvents([
  chunk({ role: "assistant", content: "Written." }, null),
  chunk({}, "stop"),
  "[DONE]",
]);

/** Answers the next question only when the test says so: resolves once it was asked. */
function heldAnswer(): Promise<(answer: WireAnswer) => void> {
  return new Promise((resolve) => {
    wire.answer((response, seen) => resolve((answer) => answer(response, seen)));
  });
}

describe("a full disk", () => {
  it("is told to the model when it leaves no room for a run's files, and the run goes on", async () => {
    wire.answer(calls("content_write", { name: "long.txt", content: "x".repeat(2 * MiB) }));
    const held = heldAnswer();
    const run = await clientOf(gateway).submitRun({ model: "compatible/any", prompt: "go" });
    const answer = await held;
    fillDisk(MiB);
    wire.answer(calls("sandbox_exec", { command: "wc -c < long.txt" }), lastWord);
    answer(calls("sandbox_exec", { command: "wc -c < long.txt" }));
    await untilEvent(run, "call.finished", 2);
    rmSync(filler());
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Written." });
    const results = await resultsOf(gateway, run.id);
    expect(results[1]).toMatchObject({ ok: false, error_type: "resource" });
    expect(results[1]?.message).toContain("disk is full");
  });

  it("refuses what is new by name, keeps what was promised, and is over when there is space", async () => {
    const before = await submit();
    expect(before.status).toBe(201);
    const ended = await clientOf(gateway).wait(idOf(before.body));

    // A run is at work: its model answers only when the disk is full already.
    const held = heldAnswer();
    wire.answer(lastWord);
    const working = await clientOf(gateway).submitRun({ model: "compatible/any", prompt: "go" });
    const answer = await held;
    fillDisk();
    answer(calls("content_write", { name: "long.txt", content: "x".repeat(200_000) }));

    // Bytes have no place at once; a row may still fit into pages that the database has.
    expect(await upload("some bytes of a file")).toMatchObject(storageFull);
    const inline = await submit({ files: [{ path: "a", content: "some bytes inline" }] });
    expect([inline.status, inline.body]).toMatchObject(storageFull);
    const acknowledged: string[] = [];
    let refused: unknown;
    while (refused === undefined && acknowledged.length < 2000) {
      const { status, body } = await submit({ prompt: "x".repeat(20_000) });
      if (status === 201) acknowledged.push(idOf(body));
      else refused = [status, body];
    }
    expect(refused).toMatchObject(storageFull);

    // What is there can be read, and the gateway says that it lives.
    expect(await clientOf(gateway).getRun(ended.id)).toEqual(ended);
    expect((await historyOf(gateway, ended.id)).at(-1)?.type).toBe("run.finished");
    expect((await clientOf(gateway).health()).live).toBe(true);
    expect((await working.get()).status).toBe("running");

    rmSync(filler());
    expect(await working.wait({ timeoutMs: 20_000 })).toMatchObject({
      status: "succeeded",
      reply: "Written.",
    });
    for (const id of acknowledged) {
      expect(await clientOf(gateway).wait(id, { timeoutMs: 20_000 })).toMatchObject({
        status: "succeeded",
      });
      expect(defectsOf(id, await historyOf(gateway, id))).toEqual([]);
    }
    const after = await upload("some bytes of a file");
    expect(after[0]).toBe(201);
    expect((await clientOf(gateway).wait(idOf(after[1] as Record<string, unknown>))).status).toBe(
      "succeeded",
    );
    expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
    expect(gateway.log()).toContain("storage_full");
    expect(await gateway.stop()).toBe(0);
  });
});
