/** What leaving a block, closing a client and aborting a signal do. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import { AirlockClient } from "./sdk.ts";

const token = "not-a-real-token";
const runId = newId("run");
let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A gateway that answers each request with what the test makes of its method and path. */
async function gateway(answer: (request: string, response: ServerResponse) => void) {
  const asked: string[] = [];
  const opened = createServer((request, response) => {
    const what = `${request.method} ${request.url?.replace(runId, "ID").split("?")[0]}`;
    asked.push(what);
    answer(what, response);
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { asked, client: new AirlockClient({ token, baseUrl }) };
}

const run = (status: string) => JSON.stringify({ run: { id: runId, status, lastSeq: 1 } });

describe("leaving the block of a run", () => {
  it("cancels it and waits for its end", async () => {
    let status = "running";
    const { asked, client } = await gateway((request, response) => {
      if (!request.endsWith("/events")) return void response.end(run(status));
      status = "cancelled";
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(`id: 2\nevent: run.finished\ndata: {"seq":2,"type":"run.finished"}\n\n`);
    });
    {
      await using one = client.run(runId);
      expect(one.id).toBe(runId);
    }
    expect(asked).toEqual([
      "POST /api/runs/ID/cancel",
      "GET /api/runs/ID",
      "GET /api/runs/ID/events",
      "GET /api/runs/ID",
    ]);
  });

  it("does not wait for one that has ended, and does not mind one that was deleted", async () => {
    let gone = false;
    const { asked, client } = await gateway((_, response) => {
      if (!gone) return void response.end(run("succeeded"));
      const error = { code: "run_deleted", message: "The run was deleted" };
      response.writeHead(410).end(JSON.stringify({ error }));
    });
    {
      await using _one = client.run(runId);
    }
    gone = true;
    {
      await using _one = client.run(runId);
    }
    expect(asked).toEqual(["POST /api/runs/ID/cancel", "POST /api/runs/ID/cancel"]);
  });

  it("tells of an end that could not be waited for", async () => {
    const { client } = await gateway((_, response) => void response.writeHead(404).end("{}"));
    const leaving = async () => {
      await using _one = client.run(runId);
    };
    await expect(leaving()).rejects.toMatchObject({ status: 404 });
  });
});

describe("leaving the block of a client", () => {
  it("ends a stream that sleeps between two requests", async () => {
    let streams = 0;
    const { client } = await gateway((_, response) => {
      streams += 1;
      if (streams === 1) return void response.writeHead(406).end("{}");
      response.end(JSON.stringify({ events: [{ runId, seq: 1, type: "run.started" }] }));
    });
    const started = performance.now();
    const seen: number[] = [];
    for await (const { seq } of client.stream(runId, { intervalMs: 50_000 })) {
      seen.push(seq);
      // The next thing that it does is to sleep.
      setImmediate(() => client.close());
    }
    expect(seen).toEqual([1]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("ends its streams without an error and its requests with one, and lets nothing more out", async () => {
    const seen = Promise.withResolvers<void>();
    const { asked, client } = await gateway((request, response) => {
      if (!request.endsWith("/events")) return;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`id: 1\nevent: run.started\ndata: {"seq":1,"type":"run.started"}\n\n`);
    });
    const follow = async (mine: AirlockClient) => {
      for await (const _ of mine.stream(runId)) seen.resolve();
    };
    let streamed: Promise<void>;
    let request: Promise<unknown>;
    {
      await using mine = client;
      streamed = follow(mine);
      request = mine.getRun(runId).catch((error: unknown) => error);
      await seen.promise;
    }
    await streamed;
    expect(await request).toMatchObject({ code: "client_closed" });
    await expect(client.whoami()).rejects.toMatchObject({ code: "client_closed" });
    expect(asked).not.toContain("GET /api/whoami");
  });
});

describe("a signal of many requests", () => {
  it("has no listener left when they have been answered", async () => {
    const { client } = await gateway((request, response) => {
      if (!request.endsWith("/events")) return void response.end(run("succeeded"));
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(`id: 1\nevent: run.finished\ndata: {"seq":1,"type":"run.finished"}\n\n`);
    });
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    for (let n = 0; n < 5; n++) {
      await client.getRun(runId, { signal });
      await client.wait(runId, { signal });
      await Array.fromAsync(client.stream(runId, { signal }));
    }
    expect(listeners).toBe(0);
  });
});

describe("a signal that was aborted before", () => {
  const why = new Error("Not any more");
  const signal = AbortSignal.abort(why);
  const calls: Record<string, (client: AirlockClient) => Promise<unknown>> = {
    submitRun: (c) => c.submitRun({ model: "scripted/x", prompt: "x", signal }),
    fork: (c) => c.fork(runId, { signal }),
    getRun: (c) => c.getRun(runId, { signal }),
    tree: (c) => c.tree(runId, { signal }),
    listRuns: (c) => c.listRuns({ signal }),
    runs: (c) => Array.fromAsync(c.runs({ signal })),
    cancelRun: (c) => c.cancelRun(runId, { signal }),
    stopRun: (c) => c.stopRun(runId, { reason: "x", signal }),
    deleteRun: (c) => c.deleteRun(runId, { signal }),
    events: (c) => Array.fromAsync(c.events(runId, { signal })),
    wait: (c) => c.wait(runId, { signal }),
    outputs: (c) => c.outputs(runId, { signal }),
    downloadOutput: (c) => c.downloadOutput(runId, { id: "x" }, { signal }),
    download: (c) => c.download(runId, { signal }),
    listProxyCalls: (c) => c.listProxyCalls(runId, { signal }),
    proxyCalls: (c) => Array.fromAsync(c.proxyCalls(runId, { signal })),
    proxy: (c) => c.proxy(runId, "x", { signal }),
    "policy.explain": (c) => c.policy.explain({ tool: "x", arguments: {} }, { signal }),
    whoami: (c) => c.whoami({ signal }),
    attestationKey: (c) => c.attestationKey({ signal }),
    ...Object.assign(
      {},
      ...(["skills", "agentsMd", "files"] as const).map((group) => ({
        [`${group}.list`]: (c: AirlockClient) => c[group].list({ signal }),
        [`${group}.get`]: (c: AirlockClient) => c[group].get("x", { signal }),
        [`${group}.delete`]: (c: AirlockClient) => c[group].delete("x", { signal }),
        [`${group}.download`]: (c: AirlockClient) => c[group].download("x", { signal }),
        [`${group}.findByName`]: (c: AirlockClient) => c[group].findByName("x", { signal }),
        [`${group}.findByHash`]: (c: AirlockClient) =>
          c[group].findByHash({ name: "x", contentHash: `sha256:${"0".repeat(64)}` }, { signal }),
        [`${group}.upload`]: (c: AirlockClient) =>
          c[group].upload({ name: "x", contentHash: "", bundle: new Blob(["x"]) }, { signal }),
      })),
    ),
    verify: (c) => c.verify({ signal }),
    gc: (c) => c.gc({ signal }),
    doctor: (c) => c.doctor({ signal }),
    health: (c) => c.health({ signal }),
    "tokens.create": (c) => c.tokens.create({ name: "x", scopes: ["runs"] }, { signal }),
    "tokens.list": (c) => c.tokens.list({ signal }),
    "tokens.revoke": (c) => c.tokens.revoke("x", { signal }),
    "secrets.set": (c) => c.secrets.set("A_NAME", "a value of it", { signal }),
    "secrets.get": (c) => c.secrets.get("x", { signal }),
    "secrets.list": (c) => c.secrets.list({ signal }),
    "secrets.delete": (c) => c.secrets.delete("x", { signal }),
    "secrets.rotateKey": (c) => c.secrets.rotateKey({ signal }),
    "agents.list": (c) => c.agents.list({ signal }),
    "agents.get": (c) => c.agents.get("x", { signal }),
    "agents.install": (c) =>
      c.agents.install({ files: [{ path: "SKILL.md", content: "x" }] }, { signal }),
    "agents.export": (c) => c.agents.export("x", { signal }),
    "agents.delete": (c) => c.agents.delete("x", { signal }),
    "approvals.list": (c) => c.approvals.list({ signal }),
    "approvals.all": (c) => Array.fromAsync(c.approvals.all({ signal })),
    "approvals.get": (c) => c.approvals.get("x", { signal }),
    "approvals.approve": (c) => c.approvals.approve("x", { signal }),
    "approvals.deny": (c) => c.approvals.deny("x", { signal }),
    "approvals.revoke": (c) => c.approvals.revoke("x", { signal }),
    "interactions.list": (c) => c.interactions.list({ signal }),
    "interactions.all": (c) => Array.fromAsync(c.interactions.all({ signal })),
    "interactions.get": (c) => c.interactions.get("x", { signal }),
    "interactions.answer": (c) => c.interactions.answer("x", { text: "y", signal }),
    "layers.list": (c) => c.layers.list({ signal }),
    "layers.all": (c) => Array.fromAsync(c.layers.all({ signal })),
    "layers.get": (c) => c.layers.get("x", { signal }),
    "layers.sbom": (c) => c.layers.sbom("x", { signal }),
    "layers.verify": (c) => c.layers.verify("x", { signal }),
    "layers.export": (c) => c.layers.export("x", { signal }),
    "layers.import": (c) => c.layers.import(new Uint8Array(1), { name: "x", signal }),
    "layers.delete": (c) => c.layers.delete("x", { signal }),
    "artifacts.list": (c) => c.artifacts.list({ signal }),
    "artifacts.all": (c) => Array.fromAsync(c.artifacts.all({ signal })),
    "artifacts.get": (c) => c.artifacts.get("x", { signal }),
    "artifacts.create": (c) =>
      c.artifacts.create({ files: [{ path: "x", content: "y" }], entrypoints: ["x"], signal }),
    "artifacts.exec": (c) => c.artifacts.exec("x", { entrypoint: "x", signal }),
    "artifacts.prove": (c) => c.artifacts.prove("x", { signal }),
    "artifacts.export": (c) => c.artifacts.export("x", { format: "zip", signal }),
    "artifacts.revoke": (c) => c.artifacts.revoke("x", { signal }),
  };

  for (const [name, use] of Object.entries(calls)) {
    it(`keeps ${name} from sending anything`, async () => {
      const { asked, client } = await gateway((_, response) => void response.end("{}"));
      await expect(use(client)).rejects.toBe(why);
      expect(asked).toEqual([]);
    });
  }

  it("is taken by every method that there is", async () => {
    const { client } = await gateway(() => undefined);
    const own = Object.getOwnPropertyNames(AirlockClient.prototype);
    const groups = Object.entries(client).flatMap(([group, members]) =>
      Object.keys(members as object).map((name) => `${group}.${name}`),
    );
    const without = ["constructor", "run", "stream", "close"];
    const names = [...own, ...groups].filter((name) => !without.includes(name)).sort();
    expect(Object.keys(calls).sort()).toEqual(expect.arrayContaining(names));
    expect(await Array.fromAsync(client.stream(runId, { signal }))).toEqual([]);
  });
});
