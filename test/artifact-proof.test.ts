/** Evidence that an artifact works with nothing but what is in it, or that it does not. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { buildArtifact, captureFiles, write } from "./support/artifacts-in-runs.ts";
import { identities } from "./support/escape-identities.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { removeTree } from "./support/remove-tree.ts";
import { untilEvent } from "./support/results-of.ts";

const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

describe.each(identities)("a proof in a gateway of $name", ({ uid, isRoot }) => {
  let host: PackageHost;
  let id: string;
  let digest: string;
  let layer: string;
  beforeAll(async () => {
    host = await openPackageHost({ uid });
    const run = await host.open({ hosts: null });
    const deps = await captureFiles(run, { path: "/tmp/deps" }, { "l.txt": "layer" });
    await write(run, {
      "good.sh": 'cat deps/l.txt; echo " $*"',
      "bad.sh": "echo no >&2; exit 3",
      "net.sh": "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 1))\"",
      "slow.sh": "echo up; sleep 600",
    });
    const inputs = ["good.sh", "bad.sh", "net.sh", "slow.sh"];
    const built = await buildArtifact(run, { inputs, entrypoints: inputs, layers: [deps] });
    id = built.artifact_id;
    digest = built.artifact_digest;
    layer = deps.digest;
    await run.end();
  }, 180_000);
  afterAll(async () => {
    await host?.close();
  });

  const artifacts = () => clientOf(host.gateway).artifacts;
  const proofOf = async (runId: string) =>
    (await artifacts().get(id)).proofs.find((proof) => proof.runId === runId);

  it("says what was run, on what and how isolated, in the run's journal and at the artifact", async () => {
    const run = await artifacts().prove(id, { entrypoint: "good.sh", args: ["a b", "$c"] });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const proof = await proofOf(run.id);
    expect(proof).toEqual({
      ...{ runId: run.id, artifactDigest: digest, layers: [layer] },
      ...{ entrypoint: "good.sh", command: null, args: ["a b", "$c"] },
      ...{ passed: true, exitCode: 0, network: "none" },
      isolation: expect.objectContaining({ ownUid: isRoot, grade: expect.any(String) }),
      output: { stdout: sha256("layer a b $c\n"), stderr: sha256("") },
      createdAt: expect.any(String),
    });
    const history = await historyOf(host.gateway, run.id);
    expect(defectsOf(run.id, history)).toEqual([]);
    const [event] = history.filter((one) => isEvent(one, "artifact.proved"));
    expect(event?.data).toMatchObject({
      ...{ artifact_id: id, artifact_digest: digest, layers: [layer], passed: true, exit_code: 0 },
      isolation: (await run.get()).isolation,
    });
    const finished = history.find((one) => isEvent(one, "call.finished"));
    expect(finished?.data).toMatchObject({ result: { ok: true, stdout: "layer a b $c\n" } });
  });

  it.each([
    ["a program that fails", { entrypoint: "bad.sh" }, 3],
    ["a program that wants the network", { entrypoint: "net.sh" }, 1],
    ["a command that fails", { command: "test -e /tmp/none" }, 1],
  ])("of %s is one that did not pass, and its run failed", async (_what, start, exitCode) => {
    const run = await artifacts().prove(id, start);
    const ended = await run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(ended.message).toContain(`exit code ${exitCode}`);
    expect(await proofOf(run.id)).toMatchObject({ passed: false, exitCode, network: "none" });
  });

  it("of a command is one of that command, and what is only run proves nothing", async () => {
    const command = "cat deps/l.txt && ls good.sh";
    const run = await artifacts().prove(id, { command });
    await run.wait();
    expect(await proofOf(run.id)).toMatchObject({ command, entrypoint: null, passed: true });
    const only = await artifacts().exec(id, { entrypoint: "good.sh" });
    expect(await only.wait()).toMatchObject({ status: "succeeded" });
    expect(await proofOf(only.id)).toBeUndefined();
  });

  it("ends as failed with the reason when the gateway is killed meanwhile, and proves nothing", async () => {
    const [proving, running] = [
      await artifacts().prove(id, { entrypoint: "slow.sh" }),
      await artifacts().exec(id, { entrypoint: "slow.sh" }),
    ];
    await Promise.all([untilEvent(proving, "call.output"), untilEvent(running, "call.output")]);
    await host.gateway.kill9();
    await host.restart();
    for (const { id: runId } of [proving, running]) {
      const ended = await clientOf(host.gateway).run(runId).wait();
      expect(ended).toMatchObject({ status: "failed", stop_reason: "program_failed" });
      expect(ended.message).toContain("The gateway stopped while this call was running");
      expect(ended).toMatchObject({ cleanup_status: "succeeded" });
      expect(await proofOf(runId)).toBeUndefined();
    }
    expect((await clientOf(host.gateway).verify()).defects).toEqual([]);
  }, 180_000);

  it("names the layer that is missing, and is none", async () => {
    const again = await host.open({ hosts: null });
    const deps = await captureFiles(again, { path: "/tmp/gone" }, { "l.txt": "gone" });
    await write(again, { "gone.sh": "cat gone/l.txt" });
    const inputs = ["gone.sh"];
    const built = await buildArtifact(again, { inputs, entrypoints: inputs, layers: [deps] });
    await again.end();
    await host.gateway.stop();
    const directory = join(host.dataDir, "layers", deps.digest.slice("sha256:".length));
    removeTree(directory);
    await host.restart();
    const run = await artifacts().prove(built.artifact_id, { entrypoint: "gone.sh" });
    const ended = await run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(ended.message).toContain(deps.layer_id);
    expect((await artifacts().get(built.artifact_id)).proofs).toEqual([]);
  });
});
