/**
 * One run from POST to archive, against a real gateway process, a real sandbox and a real store. Written to be read: what
 * a user does, in order.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { readZip } from "./support/read-zip.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const script = {
  scripts: {
    works: {
      turns: [
        {
          text: "I write a program.",
          calls: [
            {
              tool: "content_write",
              arguments: { name: "sum.py", content: "print(sum(map(int, open('/workspace/n'))))" },
            },
            { tool: "sandbox_exec", arguments: { command: "python3 sum.py", intent: "first try" } },
          ],
        },
        {
          text: "The file is called numbers.txt.",
          calls: [
            {
              tool: "content_write",
              arguments: {
                name: "sum.py",
                content: "print(sum(map(int, open('/workspace/numbers.txt'))))",
              },
            },
            {
              tool: "sandbox_exec",
              arguments: { command: "python3 sum.py | tee /workspace/outputs/sum.txt" },
            },
            { tool: "content_read", arguments: { name_or_handle: "sum.py" } },
          ],
        },
        { text: "The sum is 6." },
      ],
    },
    wrong: {
      turns: [
        {
          calls: [
            { tool: "sandbox.exec", arguments: { command: "exit 3" } },
            { tool: "fly", arguments: {} },
            { tool: "content_write", arguments: { name: "../x", content: "" } },
            { tool: "content_write", arguments: { content: "only content" } },
            { tool: "sandbox_exec", arguments: { command: "true", network: "host" } },
            { tool: "content_read", arguments: { name_or_handle: "nothing.txt" } },
          ],
        },
        { text: "done" },
      ],
    },
  },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script });
});
afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
});

describe("a run", () => {
  it("goes from POST to archive", async () => {
    const client = clientOf(gateway);
    const run = await client.submitRun({
      model: "scripted/works",
      prompt: "Add the numbers up.",
      files: [{ path: "numbers.txt", content: "1\n2\n3\n" }],
      outputDirs: ["/workspace/outputs/"],
      metadata: { ticket: 7 },
    });
    const seen: string[] = [];
    let streamed = "";
    for await (const event of run.stream({ live: true })) {
      if (event.type === "model.delta") streamed += (event.data as { text: string }).text;
      else if ("seq" in event) seen.push(event.type);
    }
    const ended = await run.get();
    expect(ended).toMatchObject({
      status: "succeeded",
      stop_reason: "end_turn",
      cleanup_status: "succeeded",
      reply: "The sum is 6.",
      turns: 3,
      calls: 5,
      metadata: { ticket: 7 },
    });
    expect(ended.isolation?.grade).toMatch(/^[AB]$/);
    expect(streamed).toContain("The file is called numbers.txt.");

    const history = await historyOf(gateway, run.id);
    expect(defectsOf(run.id, history)).toEqual([]);
    expect(seen).toEqual(history.map(({ type }) => type));
    const results = history.filter((event) => isEvent(event, "call.finished"));
    expect(results.map(({ data }) => (data.result as { ok: boolean }).ok)).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    expect(JSON.stringify(results[1]?.data.result)).toContain("FileNotFoundError");
    expect(results[3]?.data.result).toMatchObject({ ok: true, exit_code: 0, stdout: "6\n" });

    const zip = await readZip(await run.download());
    expect([...zip.keys()]).toEqual([
      "run.json",
      "events.jsonl",
      "outputs/sum.txt",
      "custody.json",
      "manifest.json",
      "attestation.json",
    ]);
    expect(zip.get("outputs/sum.txt")?.toString()).toBe("6\n");
    expect(JSON.parse(zip.get("run.json")?.toString() ?? "")).toMatchObject({
      runId: run.id,
      status: "succeeded",
      snapshot: { prompt: ["Add the numbers up."], outputDirs: ["/workspace/outputs"] },
    });
    expect(JSON.parse(zip.get("manifest.json")?.toString() ?? "")).toMatchObject({
      source: "s3",
      partial: false,
      missing: [],
    });
    const lines = zip.get("events.jsonl")?.toString().trim().split("\n") ?? [];
    expect(lines.map((line) => JSON.parse(line))).toEqual(history);
  });

  it("tells the model about its mistakes as results that it can act on", async () => {
    const run = await clientOf(gateway).submitRun({ model: "scripted/wrong", prompt: "x" });
    expect((await run.wait()).status).toBe("succeeded");
    const history = await historyOf(gateway, run.id);
    const finished = history.filter((event) => isEvent(event, "call.finished"));
    const results = finished.map(({ data }) => data.result as Record<string, unknown>);
    expect(results[0]).toMatchObject({ ok: false, exit_code: 3 });
    expect(results[1]).toMatchObject({ ok: false, error_type: "resource" });
    expect(results[2]).toMatchObject({ ok: false, error_type: "validation" });
    expect(results[2]?.message).toContain("name");
    expect(results[3]?.message).toContain("name");
    expect(results[4]?.message).toContain("network");
    expect(results[5]).toMatchObject({ ok: false, error: "content_not_found" });
    for (const result of results.slice(1)) expect(result.repair_hint).toEqual(expect.any(String));
  });

  it("can use only the power that its inline agent was given", async () => {
    const agent = {
      instructions: "Only read.",
      capabilities: [{ type: "ReadAccess" as const, scopes: ["self.*"] }],
    };
    const run = await clientOf(gateway).submitRun({ model: "scripted/works", prompt: "x", agent });
    expect((await run.wait()).status).toBe("succeeded");
    const history = await historyOf(gateway, run.id);
    const decisions = history.filter((event) => isEvent(event, "call.decided"));
    expect(decisions.map(({ data }) => [data.tool, data.decision])).toEqual([
      ["content_write", "deny"],
      ["sandbox_exec", "deny"],
      ["content_write", "deny"],
      ["sandbox_exec", "deny"],
      ["content_read", "allow"],
    ]);
    expect(history.some(({ type }) => type === "call.started")).toBe(true);
    const denied = history.filter((event) => isEvent(event, "call.finished"))[0];
    expect(denied?.data.result).toMatchObject({ ok: false, error_type: "permission" });
  });

  it("keeps workspaces apart: not yours and not there look the same", async () => {
    const client = clientOf(gateway);
    const run = await client.submitRun({ model: "scripted/works", prompt: "x" });
    await run.wait();
    const other = await client.tokens.create({ name: "b", scopes: ["runs"], workspace: "other" });
    const stranger = { url: gateway.url, token: other.secret };
    const absent = run.id.replace(/.{4}$/, "zzzz");
    for (const path of ["", "/events", "/outputs", "/archive"]) {
      const notYours = await call(stranger, "GET", `/api/runs/${run.id}${path}`);
      const notThere = await call(stranger, "GET", `/api/runs/${absent}${path}`);
      expect(notYours.status).toBe(404);
      const blind = (body: unknown) => JSON.stringify(body).replaceAll(/run_[0-9a-z]{26}/g, "run");
      expect(blind(notYours.body)).toBe(blind(notThere.body));
    }
    expect((await call(stranger, "POST", `/api/runs/${run.id}/cancel`)).status).toBe(404);
    expect((await call(stranger, "DELETE", `/api/runs/${run.id}`)).status).toBe(404);
    expect((await call(stranger, "GET", "/api/runs")).body).toEqual({ runs: [] });
  });
});
