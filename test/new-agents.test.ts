/** An agent as a newcomer makes it: written by the terminal, installed as it is, and run. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scriptLanguages } from "../src/contract/manifest.ts";
import { clientOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";
import { typed } from "./support/terminal.ts";

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { turns: [{ text: "Done." }] } });
}, 180_000);
afterAll(async () => {
  await gateway.stop();
});

describe("a new agent", () => {
  it.each(scriptLanguages)(
    "that is a script in %s counts words",
    async (language) => {
      const folder = join(tempDirUntilExit("new"), `count-${language}`);
      expect(await typed(["agents", "init", folder, "--script", language], gateway)).toMatchObject({
        code: 0,
      });
      const installed = await typed(["agents", "install", folder], gateway);
      expect(installed).toMatchObject({ code: 0 });
      const client = clientOf(gateway);
      const agent = `count-${language}`;
      for (const asked of [{ input: { text: "one two three" } }, { message: "one two three" }]) {
        const run = await client.submitRun({ agent, ...asked });
        const { status, reply } = await run.wait();
        expect(status).toBe("succeeded");
        expect(reply).toContain("3");
      }
      await expect(client.submitRun({ agent, input: { txt: "x" } })).rejects.toMatchObject({
        ...{ code: "input_invalid", status: 400 },
      });
    },
    180_000,
  );

  it("that is wrong is refused by the gateway as by the terminal, line by line", async () => {
    const folder = join(tempDirUntilExit("new"), "wrong.agent");
    await typed(["agents", "init", folder, "--script", "python"], gateway);
    appendFileSync(join(folder, "runtime.lock"), "gateway: {}\n");
    const here = await typed(["agents", "validate", folder, "--json"], gateway);
    expect(here.code).toBe(1);
    const there = await typed(["agents", "install", folder], gateway);
    expect(there.code).toBe(1);
    const [problem] = JSON.parse(here.out).problems;
    expect(problem.path).toBe("runtime.lock");
    expect(there.err).toContain("runtime.lock");
  });
});

describe("an agent that comes along", () => {
  it("is there from the start, and a changed copy of it takes its place until that is deleted", async () => {
    const client = clientOf(gateway);
    const brought = (await client.agents.list()).filter(({ origin }) => origin === "reference");
    expect(brought.map(({ id }) => id)).toContain("planner.default");
    expect(brought.length).toBe(7);
    const folder = join(tempDirUntilExit("copy"), "coder.default");
    const saved = await typed(["agents", "export", "coder.default", "--to", folder], gateway);
    expect(saved).toMatchObject({ code: 0, err: "" });
    expect(await typed(["agents", "validate", folder], gateway)).toMatchObject({ code: 0 });
    appendFileSync(join(folder, "SKILL.md"), "\nWrite in British English.\n");
    expect(await typed(["agents", "install", folder], gateway)).toMatchObject({ code: 0 });
    const own = await client.agents.get("coder.default");
    expect(own).toMatchObject({ origin: "installed", notes: [] });
    expect(own.instructions).toContain("British English");
    expect(own.runtime_lock).toContain("backend: bubblewrap");
    expect(await typed(["agents", "delete", "coder.default"], gateway)).toMatchObject({ code: 0 });
    expect(await client.agents.get("coder.default")).toMatchObject({ origin: "reference" });
  });
});
