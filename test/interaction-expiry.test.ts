/**
 * A question waits for days, through a restart; nobody's answer lets its run go on after a week. Method: libfaketime stands
 * between the gateway and the wall clock, and reads the time from a file.
 */
import { globSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const library = globSync("/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1")[0] ?? "";
const dataDir = newDataDir();
const timeFile = `${dataDir}.time`;
const setClock = (to: string) => writeFileSync(timeFile, `${to}\n`);
const asks = {
  turns: [{ calls: [{ tool: "user_ask", arguments: { question: "Go on?" } }] }, { text: "Done." }],
};
const agent = { id: "asker", instructions: "Ask.", capabilities: [] };

let gateway: StartedGateway;
const start = () =>
  startGateway({
    ...{ dataDir, script: asks },
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: timeFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
beforeAll(async () => {
  setClock("+0");
  gateway = await start();
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(timeFile, { force: true });
});

async function asking() {
  const run = await clientOf(gateway).submitRun({ model: "scripted/asks", prompt: "go", agent });
  await untilEvent(run, "wait.started");
  const { waiting } = await run.get();
  return { id: run.id, question: waiting?.on === "input" ? waiting.interactionId : "" };
}

describe("a question", () => {
  it("is answered after six days and a restart; after seven its run goes on without an answer", async () => {
    const [answered, forgotten] = [await asking(), await asking()];
    await gateway.kill9();
    setClock("+6d");
    gateway = await start();
    const { interactions } = clientOf(gateway);
    expect(await interactions.get(forgotten.question)).toMatchObject({ status: "pending" });
    await interactions.answer(answered.question, { text: "At last" });
    expect(await clientOf(gateway).wait(answered.id)).toMatchObject({ status: "succeeded" });
    expect(await resultsOf(gateway, answered.id)).toMatchObject([{ ok: true, answer: "At last" }]);
    await gateway.stop();
    setClock("+8d");
    gateway = await start();
    expect(await clientOf(gateway).wait(forgotten.id)).toMatchObject({ status: "succeeded" });
    const [result] = await resultsOf(gateway, forgotten.id);
    expect(result).toMatchObject({ ok: false, error_type: "resource", status: "expired" });
    const late = clientOf(gateway).interactions.answer(forgotten.question, { text: "Too late" });
    await expect(late).rejects.toMatchObject({ code: "interaction_answered" });
    for (const { id } of [answered, forgotten]) {
      expect(defectsOf(id, await historyOf(gateway, id))).toEqual([]);
    }
  });
});
