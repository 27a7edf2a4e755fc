/** A script is started at most once, whenever the gateway dies (P1), and its run has an end that says what happened. */
import { afterAll, describe, expect, it } from "vitest";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { openSampleStore } from "./support/sample-store.ts";
import { type ScriptRun, startScripts, submitScripts } from "./support/script-runs.ts";
import { sampled } from "./support/soak.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";
import { removeTree } from "./support/temp-dir.ts";

const script: ScriptRun = {
  files: {
    "main.py": `#!/usr/bin/env python3
import autonoetic_sdk
client = autonoetic_sdk.init()
client.memory.write("starts", client.memory.read("starts", 0) + 1)
open("/workspace/out/made.txt", "w").write("made")
print("done")
`,
  },
  agent: {
    id: "counts",
    capabilities: [{ type: "SandboxFunctions", allowed: ["state."] }],
  },
  run: { outputDirs: ["/workspace/out"] },
};

describe("kill -9 after events of the run of a script", async () => {
  const first = await startScripts([script]);
  const [runId = ""] = first.runs;
  await clientOf(first.gateway).run(runId).wait();
  const learned = await historyOf(first.gateway, runId);
  afterAll(async () => {
    await first.gateway.stop();
    await removeTree(first.gateway.dataDir);
  });
  // In one commit with call.started: what is before it is made again as long as it is not there.
  const begun = learned.findIndex(({ type }) => type === "run.provisioned");
  const done = learned.findIndex(({ type }) => type === "call.finished");

  it.each(sampled(learned.slice(1), 2).map(({ seq, type }) => ({ seq, type })))(
    "$seq $type: it ends, and was not started twice",
    async ({ seq }) => {
      const dataDir = newDataDir();
      const [id = ""] = await submitScripts(dataDir, [script]);
      // One that dies before it is ready for anybody was killed as well.
      const early = { signal: "SIGKILL" };
      const killed = await startGateway({
        dataDir,
        preload: ["test/support/kill-after-event.ts"],
        env: { AIRLOCK_TEST_KILL_SEQ: String(seq) },
      }).then(
        ({ ended }) => ended,
        () => early,
      );
      expect(killed.signal).toBe("SIGKILL");
      const gateway = await startGateway({ dataDir });
      const run = await clientOf(gateway).run(id).wait();
      const isCut = seq - 1 >= begun && seq - 1 < done;
      if (isCut) {
        expect(run).toMatchObject({ status: "failed", stop_reason: "program_failed" });
        expect(run.message).toContain("The gateway stopped while the script was running");
      } else {
        expect(run).toMatchObject({ status: "succeeded", reply: "done" });
        const outputs = await clientOf(gateway).run(id).outputs();
        expect(outputs.map(({ path }) => path)).toEqual(["/workspace/out/made.txt"]);
      }
      const types = (await historyOf(gateway, id)).map(({ type }) => type);
      expect(types.filter((type) => type === "call.started")).toHaveLength(1);
      await gateway.stop();
      const store = await openSampleStore(dataDir);
      expect((await store.verify()).defects).toEqual([]);
      const [{ workspaceId } = { workspaceId: "" }] = await store.tokens.list();
      const starts = await store.knowledge.value(workspaceId, "counts", "memory", "starts");
      expect(starts?.value ?? 1).toBe(1);
      await store.close();
      await removeTree(dataDir);
    },
  );
});
