/**
 * A backup is taken while the gateway works, in the order that docs/operating.md gives, and a gateway that is started on
 * the copy has everything that was acknowledged before the backup began.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { within } from "./support/processes.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const write = (name: string) => [
  { tool: "content_write", arguments: { name, content: name.repeat(70_000) } },
  { tool: "sandbox_exec", arguments: { command: `cp ${name} /workspace/out/` } },
];
const layer = {
  command: "mkdir deps && echo kept >deps/word",
  capture_paths: [{ path: "/tmp/deps" }],
};
const script = {
  turns: [
    { calls: [...write("a"), { tool: "sandbox_exec", arguments: layer }] },
    { calls: write("b") },
    { text: "done" },
  ],
};
const dataDir = newDataDir();
const copy = newDataDir();
afterAll(() => {
  for (const dir of [dataDir, copy]) rmSync(dir, { recursive: true, force: true });
});

const operating = readFileSync(join(import.meta.dirname, "../docs/operating.md"), "utf8");
/** The commands of the page, as they are written there: a page that drifts from what works makes the test red. */
const commands = /```sh\n(# back up[\s\S]*?)```/.exec(operating)?.[1] ?? "";

/** Keeps the gateway busy until it is told to stop: the runs that it said yes to. */
function keepBusy(gateway: StartedGateway) {
  const ids: string[] = [];
  let isOver = false;
  const client = async () => {
    for (let index = 0; !isOver; index++) {
      const run = await clientOf(gateway).submitRun({
        ...{ model: "scripted/x", prompt: "go", outputDirs: ["/workspace/out"] },
        files: [{ path: "in.txt", content: `input ${index} ${"x".repeat(20_000)}` }],
      });
      ids.push(run.id);
      await run.wait();
    }
  };
  const clients = Promise.all(Array.from({ length: 2 }, client));
  return {
    ids,
    stop: () => {
      isOver = true;
      return clients;
    },
  };
}

it("that was taken live restores everything, and the gateway did not notice", async () => {
  expect(commands).toContain("VACUUM INTO");
  const gateway = await startGateway({ dataDir, script });
  const { ids, stop } = keepBusy(gateway);
  expect(await within(60_000, () => ids.length >= 6)).toBe(true);
  const before = [...ids];
  const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;
  const env = { PATH, DATA: dataDir, BACKUP: copy };
  execFileSync("sh", ["-euc", commands], { env, stdio: ["ignore", "ignore", "inherit"] });
  await stop();
  expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
  expect(await gateway.stop()).toBe(0);

  const restored = await startGateway({ dataDir: copy, script });
  try {
    expect(await clientOf(restored).verify()).toMatchObject({ ok: true, defects: [] });
    for (const id of before) {
      const run = clientOf(restored).run(id);
      // A run that was at work goes on without its directories, so what it does then may fail; it ends all the same.
      expect((await run.wait({ timeoutMs: 30_000 })).finishedAt).not.toBeNull();
      expect(defectsOf(id, await historyOf(restored, id))).toEqual([]);
    }
    const done = (await clientOf(restored).listRuns({ status: ["succeeded"] })).runs.at(-1);
    const output = await clientOf(restored)
      .run(done?.id ?? "")
      .downloadOutput({ path: "a", match: "suffix" });
    expect(output.length).toBe(70_000);
    const { layers } = await clientOf(restored).layers.list();
    const artifact = await clientOf(restored).artifacts.create({
      files: [{ path: "main.sh", content: "exec cat /tmp/deps/word" }],
      entrypoints: ["main.sh"],
      layers: layers.map(({ digest }) => ({ layer: digest, mount_path: "/tmp/deps" })),
    });
    const ran = await clientOf(restored).artifacts.exec(artifact.id, { entrypoint: "main.sh" });
    expect(await ran.wait()).toMatchObject({ status: "succeeded" });
  } finally {
    await restored.stop();
  }
});
