/**
 * `cleanup.session: retain`: what a run made stays after its end, and only that: its token, its sockets and its secrets go as
 * they always do. It stays until the run is deleted, whatever else happens.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { removeTree } from "./support/remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
const dataDir = newDataDir();
const script = { turns: [{ text: "done" }] };
const start = () => startGateway({ dataDir, script, env: director.env });
const placeOf = (id: string) => join(dataDir, "runs", id);

beforeAll(async () => {
  director = await openDirector();
  gateway = await start();
});
afterAll(async () => {
  await gateway?.stop();
  await director?.close();
  removeTree(dataDir);
});

const cleanup = { session: "retain" as const };

describe("a run whose session is retained", () => {
  it("keeps what it made, through sweeps and restarts, until it is deleted", async () => {
    const run = await director.open(gateway, { cleanup });
    await run.call("sandbox_exec", { command: "echo made > /workspace/made; echo too > /tmp/too" });
    expect(await run.end()).toMatchObject({ status: "succeeded", cleanup_status: "skipped" });
    expect(readdirSync(placeOf(run.id)).sort()).toEqual(["tmp", "workspace"]);
    const { uid } = statSync(join(placeOf(run.id), "workspace"));
    const finished = (await historyOf(gateway, run.id)).at(-1);
    expect(finished).toMatchObject({
      data: { custody: [{ class: "run_token", name: "run_token", disposition: "destroyed" }] },
    });

    await gateway.kill9();
    gateway = await start();
    const client = clientOf(gateway);
    expect(await client.gc()).toMatchObject({ retainedRuns: 1, runDirectories: 0 });
    expect(readFileSync(join(placeOf(run.id), "workspace/made"), "utf8")).toBe("made\n");
    expect(readFileSync(join(placeOf(run.id), "tmp/too"), "utf8")).toBe("too\n");

    // Its uid is nobody else's meanwhile.
    if (process.getuid?.() === 0) {
      const other = await director.open(gateway);
      await other.call("sandbox_exec", { command: "true" });
      expect(statSync(join(placeOf(other.id), "workspace")).uid).not.toBe(uid);
      await other.end();
    }
    await client.deleteRun(run.id);
    expect(existsSync(placeOf(run.id))).toBe(false);
    expect(await client.gc()).toMatchObject({ retainedRuns: 0, runDirectories: 0 });
    expect(await client.verify()).toMatchObject({ ok: true });
  });

  it("is one of a few: the next is refused until one was deleted", async () => {
    const client = clientOf(gateway);
    const submit = () => client.submitRun({ model: "scripted/demo", prompt: "go", cleanup });
    const runs = await Promise.all(Array.from({ length: limits.retainedRuns }, submit));
    for (const run of runs) expect(await run.wait()).toMatchObject({ cleanup_status: "skipped" });
    const message = `${limits.retainedRuns} runs of the workspace keep their directories already`;
    await expect(submit()).rejects.toThrow(message);
    await Promise.all(runs.map(({ id }) => client.deleteRun(id)));
    const next = await submit();
    expect(await next.wait()).toMatchObject({ cleanup_status: "skipped" });
    await client.deleteRun(next.id);
  }, 180_000);
});
