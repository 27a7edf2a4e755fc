/**
 * An approval waits for as long as people take: a week later it is still there and its run goes on; nobody's answer is not
 * a refusal; and what has run out stays so, wherever the clock goes (G03, G11).
 *
 * Method: libfaketime stands between the gateway and the wall clock, and reads the time from a file.
 */
import { globSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AirlockError, isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const library = globSync("/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1")[0] ?? "";
const dataDir = newDataDir();
const timeFile = `${dataDir}.time`;
const setClock = (to: string) => writeFileSync(timeFile, `${to}\n`);

let sink: NetworkSink;
let gateway: StartedGateway;
const start = () => {
  const fetching = (path: string) => ({
    turns: [
      {
        calls: [
          { tool: "sandbox_exec", arguments: { command: `curl -sS ${sink.url}/${path}` } },
          { tool: "sandbox_exec", arguments: { command: "echo rest" } },
        ],
      },
      { text: "Done." },
    ],
  });
  return startGateway({
    ...{ dataDir, script: { scripts: { week: fetching("week"), late: fetching("late") } } },
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: timeFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      AIRLOCK_PRIVATE_HOSTS: "127.0.0.6",
    },
  });
};
beforeAll(async () => {
  sink = await openSink("127.0.0.6");
  setClock("+0");
  gateway = await start();
});
afterAll(async () => {
  await gateway.stop();
  sink.close();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(timeFile, { force: true });
});

async function parked(script: string): Promise<{ run: RunRef; id: string }> {
  const run = await clientOf(gateway).submitRun({ model: `scripted/${script}`, prompt: "go" });
  await untilEvent(run, "approval.requested");
  const asked = (await historyOf(gateway, run.id)).find((e) => isEvent(e, "approval.requested"));
  return { run, id: asked?.data.request_id ?? "" };
}

describe("a request that nobody answers", () => {
  it("is still there a week later, after a restart, and its run goes on with the rest of its turn", async () => {
    const { run, id } = await parked("week");
    await gateway.kill9();
    setClock("+7d");
    gateway = await start();
    expect(await clientOf(gateway).approvals.get(id)).toMatchObject({ status: "pending" });
    expect(await clientOf(gateway).getRun(run.id)).toMatchObject({ status: "waiting" });
    expect(sink.hits()).toEqual([]);
    await clientOf(gateway).approvals.approve(id, {});
    expect(await clientOf(gateway).wait(run.id)).toMatchObject({ status: "succeeded" });
    expect(sink.hits()).toEqual(["/week"]);
    const [fetched, rest] = await resultsOf(gateway, run.id);
    expect([fetched?.stdout, rest?.stdout]).toEqual(["reached\n", "rest\n"]);
    expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  });

  it("runs out in the end: the model reads that nobody answered, not that somebody refused", async () => {
    const { run, id } = await parked("late");
    await gateway.kill9();
    setClock("+60d");
    gateway = await start();
    expect(await clientOf(gateway).wait(run.id)).toMatchObject({ status: "succeeded" });
    const [late, rest] = await resultsOf(gateway, run.id);
    expect(late).toMatchObject({ ok: false, approval_expired: true, request_id: id });
    expect(late).not.toHaveProperty("approval_rejected");
    expect(String(late?.message)).toMatch(/no one answered/i);
    expect(rest?.stdout).toBe("rest\n");
    expect(sink.hits()).not.toContain("/late");
    // A clock that goes back brings nothing back.
    setClock("+0");
    const again = clientOf(gateway).approvals.approve(id, {});
    await expect(again).rejects.toSatisfy(
      (error) => error instanceof AirlockError && error.code === "approval_answered",
    );
    expect(await clientOf(gateway).approvals.get(id)).toMatchObject({ status: "expired" });
  });
});
