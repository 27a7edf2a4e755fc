import { expect, it } from "vitest";
import { wholeProxyEndpoint } from "../contract/proxy-endpoint.ts";
import { runFiles, runManifest } from "./run-manifest.ts";

const endpoint = wholeProxyEndpoint({
  ...{ name: "tickets", baseUrl: "https://tickets.example", authShape: { type: "bearer" } },
  ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1"] },
});

const textOf = (files: ReturnType<typeof runFiles>, name: string) =>
  files.find((file) => file.name === name)?.data.toString();

it("says where the protocol is spoken, and every cap as a number", () => {
  const manifest = runManifest("run_a", [endpoint]);
  expect(manifest).toEqual({
    ...{ protocolVersion: "1", runId: "run_a" },
    proxyBaseUrl: "http://127.0.0.1:3128/api/runs/run_a/proxy",
    endpoints: [
      {
        ...{ name: "tickets", baseUrl: "https://tickets.example", authShape: { type: "bearer" } },
        ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1"], allowHeaders: [] },
        ...{ responseMode: "headers_only", maxRequestBytes: 65_536, maxResponseBytes: 1_048_576 },
        ...{ timeoutMs: 10_000, perCallBudget: 60, responseByteBudget: 1_048_576 },
      },
    ],
  });
});

it("has no address when there is nothing to call, and is there all the same", () => {
  const [index] = runFiles("run_a", {}, { runToken: "", canary: "" });
  expect(index?.name).toBe("index.json");
  expect(JSON.parse(String(index?.data))).toEqual({
    ...{ protocolVersion: "1", runId: "run_a", proxyBaseUrl: null, endpoints: [] },
  });
});

it("gives the token and the canary a file each", () => {
  const secrets = { runToken: "airlock_run_sample", canary: "airlock_live_sample" };
  const files = runFiles("run_a", { proxyEndpoints: [endpoint] }, secrets);
  expect(files.map(({ name }) => name)).toEqual(["index.json", "run-token", ".credentials"]);
  expect(textOf(files, "run-token")).toBe("airlock_run_sample\n");
  expect(textOf(files, ".credentials")).toBe("[default]\napi_key = airlock_live_sample\n");
  expect(textOf(files, "index.json")).not.toMatch(/airlock_(run|live)_/);
});
