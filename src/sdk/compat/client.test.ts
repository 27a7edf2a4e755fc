import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { runStatuses } from "../../contract/run.ts";
import { AntpathClient, buildPlatformAllowedHosts, HttpError, isTerminal } from "../compat.ts";

const apiToken = "not-a-real-token";
const runId = newId("run");
const output = { id: newId("output"), path: "/workspace/out/a.txt", name: "a.txt", bytes: 3 };
const event = (seq: number, type: string) => ({ runId, seq, type, time: "", hash: "", data: {} });
const events = [event(1, "run.submitted"), event(2, "run.finished")];
let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A gateway with one run in the given status, which writes down what it is asked. */
async function gateway(status = "succeeded") {
  const asked: string[] = [];
  const answers: Record<string, unknown> = {
    events: { events },
    outputs: { outputs: [output] },
    whoami: { principalType: "api_token" },
    archive: "PK zip",
    [output.id]: "abc",
  };
  const opened = createServer((request, response) => {
    const path = new URL(request.url ?? "", "http://x").pathname;
    asked.push(`${request.method} ${path.replace(runId, "ID")}`);
    const answer = answers[path.split("/").at(-1) ?? ""];
    if (request.headers.accept === "text/event-stream") return void response.writeHead(406).end();
    if (typeof answer === "string") return void response.end(answer);
    const run = { id: runId, status, lastSeq: 2, cleanup_status: "succeeded", finishedAt: "then" };
    response.end(JSON.stringify(answer ?? { run: { ...run, message: "so it was" } }));
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(opened.address() as AddressInfo).port}/`;
  return { asked, client: new AntpathClient({ apiToken, baseUrl }) };
}

describe("a client with the names of 0.8", () => {
  it("is not made without a token", () => {
    expect(() => new AntpathClient({ apiToken: "" })).toThrow("apiToken is required");
    expect(() => new AntpathClient(undefined as unknown as { apiToken: string })).toThrow(
      "apiToken is required",
    );
  });

  it("reads running and waiting as provider_running, and every other status as it is", async () => {
    for (const status of runStatuses) {
      const { client } = await gateway(status);
      const read = await client.getRun(runId);
      const works = status === "running" || status === "waiting";
      expect(read.status).toBe(works ? "provider_running" : status);
      expect(read.errorMessage).toBe(isTerminal(read.status) ? "so it was" : null);
      expect(read).toMatchObject({ runId, cleanupStatus: "succeeded", terminalAt: "then" });
      server?.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
    }
  });

  it("has each method under its long and its short name, with the same request", async () => {
    const { asked, client } = await gateway();
    const pairs: [() => Promise<unknown>, () => Promise<unknown>][] = [
      [() => client.getRun(runId), () => client.get(runId)],
      [() => client.getRunUnit(runId), () => client.getUnit(runId)],
      [() => client.listEvents(runId), () => client.events(runId)],
      [() => client.listOutputs(runId), () => client.outputs(runId)],
      [() => client.waitForRun(runId), () => client.wait(runId)],
      [() => client.cancelRun(runId), () => client.cancel(runId)],
      [() => client.deleteRun(runId), () => client.delete(runId)],
      [
        () => Array.fromAsync(client.streamEvents(runId)),
        () => Array.fromAsync(client.stream(runId)),
      ],
    ];
    for (const [long, short] of pairs) {
      const from = asked.length;
      const first = await long();
      const between = asked.length;
      expect(await short()).toEqual(first);
      expect(asked.slice(between)).toEqual(asked.slice(from, between));
      expect(between).toBeGreaterThan(from);
    }
    expect(await client.whoami()).toEqual({ principalType: "api_token" });
  });

  it("gives events an id each, and outputs the names of their size and file", async () => {
    const { client } = await gateway();
    const ids = (await client.events(runId)).map(({ id }) => id);
    expect(ids).toEqual([`${runId}:1`, `${runId}:2`]);
    const streamed = await Array.fromAsync(client.stream(runId, { intervalMs: 1 }));
    expect(streamed.map(({ id }) => id)).toEqual(ids);
    expect(await client.outputs(runId)).toMatchObject([{ fileName: "a.txt", byteSize: 3 }]);
  });

  it("gives back the bytes that it writes, and asks for no list when it has an id", async () => {
    const dir = await mkdtemp(join(tmpdir(), "airlock-compat-"));
    try {
      const { asked, client } = await gateway();
      const to = join(dir, "run.zip");
      expect(Buffer.from(await client.download(runId, { to })).toString()).toBe("PK zip");
      expect(await readFile(to, "utf8")).toBe("PK zip");
      const bytes = await client.downloadOutput(runId, { id: output.id }, { to: join(dir, "a") });
      expect(Buffer.from(bytes).toString()).toBe(await readFile(join(dir, "a"), "utf8"));
      expect(asked).toEqual(["GET /api/runs/ID/archive", `GET /api/runs/ID/outputs/${output.id}`]);
      await client.downloadOutput(runId, { path: "a.txt", match: "suffix" });
      expect(asked).toContain("GET /api/runs/ID/outputs");
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("says network when there is no gateway, and refuses what is wrong before it asks", async () => {
    const { client, asked } = await gateway();
    const wrong = client.submitRun({ model: "claude-x", prompt: " " });
    await expect(wrong).rejects.toThrow(/prompt/);
    expect(asked).toEqual([]);
    const nobody = new AntpathClient({ apiToken, baseUrl: "http://127.0.0.1:1" });
    await expect(nobody.submitRun({ model: "claude-x", prompt: "y" })).rejects.toThrow(/network/);
  });

  it("takes the members of a template, and those of the options before them", async () => {
    const bodies: string[] = [];
    const fetched: typeof fetch = async (_, init) => {
      bodies.push(String(init?.body));
      return Response.json({ run: { id: runId } }, { status: 201 });
    };
    const client = new AntpathClient({ apiToken, fetch: fetched });
    const template = {
      model: "claude-x",
      prompt: ["one", "two"],
      outputDirs: ["/workspace/a"],
    } as const;
    const ref = await client.submitRun(template, { prompt: "three", idempotencyKey: "k" });
    expect(ref.runId).toBe(runId);
    expect(JSON.parse(bodies[0] ?? "")).toEqual({
      ...{ model: "claude-x", prompt: "three", idempotencyKey: "k" },
      outputDirs: ["/workspace/a"],
    });
  });

  it("throws an HttpError with status and body, whatever shape the answer came in", async () => {
    const shapes: [number, unknown, object][] = [
      [
        409,
        { error: { message: "No", code: "x_y", details: { a: 1 } } },
        { message: "No", code: "x_y", details: { a: 1 } },
      ],
      [404, { error: "Nothing here" }, { message: "Nothing here", code: "not_found" }],
      [
        403,
        { error: "insufficient_scope", requiredScope: "admin" },
        { code: "insufficient_scope" },
      ],
      [
        429,
        { ok: false, code: "slow_down", message: "Later" },
        { code: "slow_down", message: "Later" },
      ],
    ];
    for (const [status, body, expected] of shapes) {
      const answer: typeof fetch = async () => Response.json(body, { status });
      const client = new AntpathClient({ apiToken, fetch: answer });
      const error = await client.getRun(runId).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(HttpError);
      expect(error).toMatchObject({ status, body: { error: expected } });
    }
  });
});

describe("the hosts of a platform", () => {
  it("are that of the address and the others, each once", () => {
    const extraHosts = ["api.example", "gate.example:8443", "api.example"];
    const hosts = buildPlatformAllowedHosts({ baseUrl: "https://gate.example:8443/x", extraHosts });
    expect(hosts).toEqual(["gate.example:8443", "api.example"]);
    expect(() => buildPlatformAllowedHosts({ baseUrl: "nowhere" })).toThrow(TypeError);
  });
});
