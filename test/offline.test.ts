/**
 * What was installed once works from then on without the registry it came from: gone with its configuration, the artifacts
 * of the packager's table still prove that they run.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { buildArtifact } from "./support/artifacts-in-runs.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { installRow, packageRow, rowNames, word } from "./support/package-rows.ts";
import { resultsOf } from "./support/results-of.ts";

let host: PackageHost;
const built = new Map<string, { id: string; entrypoint: string }>();

beforeAll(async () => {
  host = await openPackageHost();
  for (const name of rowNames) {
    const run = await host.open();
    const row = packageRow(name, host.registry);
    const installed = await installRow(run, row, { isLocked: true });
    const { artifact_id: id } = await buildArtifact(run, {
      inputs: Object.keys({ ...row.files, ...row.lock }),
      entrypoints: [row.entrypoint],
      layers: installed.captured_layers,
    });
    built.set(name, { id, entrypoint: row.entrypoint });
    await run.end();
  }
  await host.gateway.stop();
  host.registry.close();
  await host.restart({ env: { HOME: host.dataDir } });
}, 180_000);
afterAll(async () => {
  await host?.close();
});

it.each(rowNames)("%s runs and proves it when its registry is gone", async (name) => {
  const { id, entrypoint } = built.get(name) ?? { id: "", entrypoint: "" };
  const { artifacts } = clientOf(host.gateway);
  const run = await artifacts.prove(id, { entrypoint });
  const ended = await run.wait();
  const [result] = await resultsOf(host.gateway, run.id);
  expect(ended, JSON.stringify(result)).toMatchObject({ status: "succeeded" });
  expect(result).toMatchObject({ ok: true, stdout: `${word}\n` });
  const { proofs } = await artifacts.get(id);
  expect(proofs).toMatchObject([{ passed: true, network: "none", runId: run.id }]);
});

it("the control: without its layers a program finds nothing", async () => {
  const { artifacts } = clientOf(host.gateway);
  const bare = await artifacts.create({
    files: [{ path: "main.py", content: "import airlock_fixture\n" }],
    entrypoints: ["main.py"],
  });
  const ended = await (await artifacts.prove(bare.id)).wait();
  expect(ended).toMatchObject({ status: "failed", stop_reason: "program_failed" });
});
