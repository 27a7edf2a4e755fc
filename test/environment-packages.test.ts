/**
 * Packages of a submission: installed before the first turn from the registries of the machine, kept as layers, and found by
 * every command of the run. The registry is a local one of the company's own.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunEvent, RunRef } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { untilEvent } from "./support/results-of.ts";
import { submitScripts } from "./support/script-runs.ts";

let host: PackageHost;

beforeAll(async () => {
  host = await openPackageHost();
});
afterAll(async () => {
  await host?.close();
});

const envVars = { OWN_VARIABLE: "own-variable" };

const packages = [
  { name: "pip:airlock-fixture", version: "1.0.0" },
  { name: "npm:airlock-fixture" },
];

function preparedIn(history: readonly RunEvent[]) {
  const prepared = history.find((event) => isEvent(event, "environment.prepared"));
  if (prepared === undefined || !isEvent(prepared, "environment.prepared")) {
    throw new Error(`Nothing was prepared: ${JSON.stringify(history.at(-1))}`);
  }
  return prepared.data;
}

const imports =
  "python3 -c 'import airlock_fixture; print(airlock_fixture.word)' && node -e 'console.log(require(\"airlock-fixture\"))'";

describe("packages of a submission", () => {
  it("are there for every command, without a way out, and the next run has them at once", async () => {
    const run = await host.open({ plain: true, environment: { packages } });
    const said = await run.call("sandbox_exec", { command: imports, network: "none" });
    expect(said).toMatchObject({ ok: true });
    expect(said.stdout).toBe("from the local index\nfrom the local index\n");
    // Read-only, and nothing of the build is left beside it.
    const around = await run.call("sandbox_exec", {
      command: "ls -A /tmp /workspace; touch /opt/packages/pip/x || echo read-only",
    });
    expect(around.stdout).toBe("/tmp:\n\n/workspace:\nread-only\n");
    expect(await run.end()).toMatchObject({ status: "succeeded" });
    const history = await historyOf(host.gateway, run.id);
    expect(defectsOf(run.id, history)).toEqual([]);
    const { packages: installed, layers } = preparedIn(history);
    expect(installed).toMatchObject([
      { ecosystem: "npm", packages: ["airlock-fixture"], cached: false },
      { ecosystem: "pip", packages: ["airlock-fixture==1.0.0"], cached: false },
    ]);
    expect(layers.map(({ mount_path }) => mount_path)).toEqual([
      "/opt/packages/node_modules",
      "/opt/packages/pip",
    ]);
    const types = history.map(({ type }) => type);
    expect(types.indexOf("environment.prepared")).toBeLessThan(types.indexOf("turn.replied"));

    const connections = host.registry.connections();
    const spelt = [
      { name: "npm:airlock-fixture" },
      { name: "pip:airlock-fixture", version: "1.0.0" },
      { name: "pip:airlock-fixture", version: "1.0.0" },
    ];
    const again = await host.open({ plain: true, environment: { packages: spelt } });
    await again.end();
    const second = preparedIn(await historyOf(host.gateway, again.id));
    expect(second.packages.map(({ cached }) => cached)).toEqual([true, true]);
    expect(second.layers.map(({ digest }) => digest)).toEqual(layers.map(({ digest }) => digest));
    expect(host.registry.connections()).toBe(connections);
    expect(await clientOf(host.gateway).verify()).toMatchObject({ ok: true });
  });

  it.each([
    ["go:example.test/airlock-tool", "v1.0.0", "a tool of go\n"],
    ["cargo:airlock-tool", "1.0.0", "a tool of cargo\n"],
  ])("that are programs are on PATH: %s", async (name, version, wanted) => {
    const environment = { packages: [{ name, version }] };
    const run = await host.open({ plain: true, environment });
    const said = await run.call("sandbox_exec", { command: "airlock-tool 2>&1" });
    expect(said).toMatchObject({ ok: true, stdout: wanted });
    await run.end();
  });

  it("that look around while they are installed see nothing of the run", async () => {
    const run = await host.open({
      ...{ plain: true, environment: { packages: [{ name: "npm:airlock-nosy" }], envVars } },
      files: [{ path: "own-file", content: "own-content" }],
      secrets: { env: { OWN_SECRET: "own-secret-81b2d7" } },
      proxyEndpoints: [
        {
          ...{ name: "api", baseUrl: "https://api.example", authShape: { type: "none" } },
          ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
        },
      ],
    });
    const { stdout } = await run.call("sandbox_exec", {
      command: "cat /opt/packages/node_modules/airlock-nosy/seen",
    });
    expect(stdout).toContain("SOURCE_DATE_EPOCH");
    expect(stdout).toMatch(/\/airlock-run:\n\n/);
    expect(stdout).not.toMatch(/own-|OWN_VARIABLE|airlock_run_|proxyBaseUrl/);
    await run.end();
    // And it reaches the registry alone: neither another host nor the endpoints of the run.
    const refused = (await historyOf(host.gateway, run.id)).flatMap((event) =>
      isEvent(event, "egress.denied") ? [event.data.host] : [],
    );
    expect([...new Set(refused)].sort()).toEqual(["api.proxy", "far.example"]);
  });

  it("are there for a script agent as well", async () => {
    await host.gateway.stop();
    const [id = ""] = await submitScripts(host.dataDir, [
      {
        files: {
          "main.py": "#!/usr/bin/env python3\nimport airlock_fixture as a\nprint(a.word)\n",
        },
        run: { environment: { packages } },
      },
    ]);
    await host.restart();
    expect(await clientOf(host.gateway).wait(id)).toMatchObject({ reply: "from the local index" });
    expect(defectsOf(id, await historyOf(host.gateway, id))).toEqual([]);
  });

  it("see nothing of the run that they are for, and reach the registries alone", async () => {
    const run = await host.open({
      ...{ plain: true, environment: { packages: [{ name: "pip:no-such-thing" }] } },
      files: [{ path: "pip.conf", content: "[global]\nno-index = true\n" }],
    });
    const ended = await run.run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "environment_failed" });
    expect(ended.message).toContain("Cannot install no-such-thing with pip");
    expect(ended.message).toContain("No matching distribution found for no-such-thing");
    const history = await historyOf(host.gateway, run.id);
    expect(history.some(({ type }) => type === "turn.replied")).toBe(false);
    const reached = history.flatMap((event) =>
      isEvent(event, "egress.allowed") ? [`${event.data.host}:${event.data.port}`] : [],
    );
    expect([...new Set(reached)]).toEqual([host.registry.host]);
    expect(existsSync(join(host.dataDir, "runs", run.id))).toBe(false);
  });

  it.each([
    ["gem:no-such-thing", "gem", "Install ruby on the host"],
    ["cargo:no-such-thing", "cargo", "could not find"],
  ])("of %s that cannot be had end the run with the words of %s", async (name, _, words) => {
    const run = await host.open({ plain: true, environment: { packages: [{ name }] } });
    const ended = await run.run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "environment_failed" });
    expect(ended.message).toContain(words);
  });

  it("are shown while they are installed; cancelling ends that at once, and so do the run's limits", async () => {
    const path = "/simple/never-answered/";
    host.registry.held.add(path);
    const environment = { packages: [{ name: "pip:never-answered" }] };
    const run = await host.open({ plain: true, environment });
    await untilEvent(run.run, "environment.output");
    await run.run.cancel();
    expect(await run.run.wait()).toMatchObject({ status: "cancelled" });

    const late = await host.open({ plain: true, environment, timeout: "1s" });
    expect(await late.run.wait()).toMatchObject({ status: "terminated", stop_reason: "deadline" });

    const slow = await host.open({ plain: true, environment, limits: { callSeconds: 1 } });
    const ended = await slow.run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "environment_failed" });
    expect(ended.message).toContain("killed after 1 s");
    host.registry.held.delete(path);
  });

  it("end with their run, although they are waited for: another run installs the same", async () => {
    const path = "/simple/never-answered/";
    host.registry.held.add(path);
    const environment = { packages: [{ name: "pip:never-answered" }] };
    const first = await host.open({ plain: true, environment });
    await untilEvent(first.run, "environment.output");
    const second = await host.open({ plain: true, environment });
    await untilEvent(second.run, "run.provisioned");
    await second.run.cancel();
    expect(await second.run.wait()).toMatchObject({ status: "cancelled" });
    const late = await host.open({ plain: true, environment, timeout: "1s" });
    expect(await late.run.wait()).toMatchObject({ status: "terminated", stop_reason: "deadline" });
    expect(await first.run.get()).toMatchObject({ status: "running" });
    await first.run.cancel();
    await first.run.wait();
    host.registry.held.delete(path);
  });

  it("are installed again when the gateway died in the middle of it", async () => {
    const path = "/simple/airlock-fixture/";
    host.registry.held.add(path);
    const environment = { packages: [{ name: "pip:airlock-fixture" }] };
    const run = await host.open({ plain: true, environment });
    await untilEvent(run.run, "environment.output");
    await host.gateway.kill9();
    host.registry.held.delete(path);
    await host.restart();
    const said = await run.call("sandbox_exec", {
      command: "python3 -c 'import airlock_fixture; print(airlock_fixture.word)'",
    });
    expect(said.stdout).toBe("from the local index\n");
    const after = new RunRef(clientOf(host.gateway), run.id);
    expect(await run.end(after)).toMatchObject({ status: "succeeded" });
    const history = await historyOf(host.gateway, run.id);
    expect(defectsOf(run.id, history)).toEqual([]);
    const prepared = history.filter((event) => isEvent(event, "environment.prepared"));
    expect(prepared).toHaveLength(1);
    expect(await clientOf(host.gateway).verify()).toMatchObject({ ok: true });
  });

  it("are there for a fork, which installs nothing", async () => {
    const run = await host.open({ plain: true, environment: { packages } });
    await run.call("sandbox_exec", { command: "true" });
    await run.end();
    const fork = await clientOf(host.gateway).fork(run.id);
    await untilEvent(fork, "run.provisioned");
    await fork.cancel();
    await fork.wait();
    const history = await historyOf(host.gateway, fork.id);
    const forked = history.find((event) => isEvent(event, "run.forked"));
    expect(forked).toMatchObject({ data: { layers: [{}, {}] } });
    expect(history.map(({ type }) => type)).not.toContain("environment.prepared");
  });

  it("are the same for an ordinary user's gateway", async () => {
    // Who is one already has had that all along.
    if (process.getuid?.() !== 0) return;
    const other = await openPackageHost({ uid: 65_534 });
    try {
      const cleanup = { session: "retain" as const };
      const run = await other.open({ plain: true, environment: { packages }, cleanup });
      const said = await run.call("sandbox_exec", { command: `${imports} | tee /workspace/said` });
      expect(said.stdout).toBe("from the local index\nfrom the local index\n");
      expect(await run.end()).toMatchObject({ status: "succeeded", cleanup_status: "skipped" });
      expect(readdirSync(join(other.dataDir, "runs", run.id)).sort()).toEqual(["tmp", "workspace"]);
      await clientOf(other.gateway).deleteRun(run.id);
      expect(readdirSync(join(other.dataDir, "runs"))).toEqual([]);
    } finally {
      await other.close();
    }
  }, 180_000);
});
