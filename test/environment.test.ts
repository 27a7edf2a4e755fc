/**
 * What a submission puts around a run that works alone: the hosts that its commands reach without a question, and variables
 * in their environment. Neither changes what the gateway sets itself.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { questionsOf } from "./support/questions-of.ts";
import { startScripts } from "./support/script-runs.ts";

let host: PackageHost;

beforeAll(async () => {
  host = await openPackageHost();
});
afterAll(async () => {
  await host?.close();
});

const pip = "python3 -m pip install --retries 0 --no-cache-dir --target deps airlock-fixture";

describe("networking of a run without an agent", () => {
  it("reaches the hosts that it names and asks nobody, and about any other one it asks", async () => {
    const networking = {
      mode: "limited" as const,
      allowedHosts: [host.registry.host.toUpperCase()],
    };
    const run = await host.open({ plain: true, environment: { networking } });
    expect(await run.call("sandbox_exec", { command: pip })).toMatchObject({ ok: true });
    const { call } = questionsOf(run);
    const { request } = await call({ command: "curl -sS https://other.example/" });
    expect(request?.hosts).toContain("other.example:443");
    await run.run.cancel();
    const [installed] = (await historyOf(host.gateway, run.id)).filter((event) =>
      isEvent(event, "call.decided"),
    );
    expect(installed?.data).toMatchObject({ decision: "allow", hosts: [host.registry.host] });
  });

  it("that is open reaches every public host, and without one there is no way out", async () => {
    const open = await host.open({ plain: true, environment: { networking: { mode: "open" } } });
    const anywhere = await questionsOf(open).call({ command: "curl -sS https://far.example/" });
    expect(anywhere.request).toBeUndefined();
    await open.end();
    const none = { mode: "limited" as const, allowedHosts: [] };
    const closed = await host.open({ plain: true, environment: { networking: none } });
    const { request } = await questionsOf(closed).call({ command: pip });
    expect(request).toBeDefined();
    await closed.run.cancel();
  });

  it("is bounded by the grant of the submission", async () => {
    const run = await host.open({
      plain: true,
      environment: { networking: { mode: "open" } },
      grant: [{ type: "CodeExecution", patterns: ["*"] }],
    });
    const { request } = await questionsOf(run).call({ command: pip });
    expect(request).toBeDefined();
    await run.run.cancel();
  });
});

describe("variables of a submission", () => {
  const environment = { envVars: { GREETING: "hallo 'du'", EMPTY: "", PYTHONUNBUFFERED: "1" } };
  const show = 'printf "%s|%s|%s" "$GREETING" "${EMPTY-unset}" "$PYTHONUNBUFFERED"';

  it("are in the environment of every command and of builds, and in that of no artifact", async () => {
    const run = await host.open({ environment });
    expect(await run.call("sandbox_exec", { command: show })).toMatchObject({
      stdout: "hallo 'du'||1",
    });
    const built = await run.call("sandbox_exec", {
      command: "mkdir -p /tmp/made && echo $GREETING > /tmp/made/said && cat /tmp/made/said",
      capture_paths: [{ path: "/tmp/made" }],
    });
    expect(built).toMatchObject({ ok: true, stdout: "hallo 'du'\n" });
    await run.call("content_write", {
      name: "main.sh",
      content: '#!/bin/sh\necho "[$GREETING]"\n',
    });
    const artifact = await run.call("artifact_build", {
      inputs: ["main.sh"],
      entrypoints: ["main.sh"],
    });
    expect(artifact).toMatchObject({ ok: true });
    const { artifact_ref } = artifact;
    const { told, request } = await questionsOf(run).call(
      { artifact_ref, entrypoint: "main.sh" },
      "artifact_exec",
    );
    if (request) await clientOf(host.gateway).approvals.approve(request.request_id, {});
    expect(await told).toMatchObject({ stdout: "[]\n" });
    await run.end();
  });

  it("are shown by name to whoever is asked", async () => {
    const run = await host.open({ plain: true, environment });
    const { request } = await questionsOf(run).call({ command: "curl -s https://far.example/" });
    expect(request?.binding.parts.environment).toContain("GREETING");
    expect(JSON.stringify(request?.binding)).not.toContain("hallo");
    await run.run.cancel();
  });

  it("are there for a script agent, and are no secret's place", async () => {
    const { gateway, runs } = await startScripts([
      {
        files: { "main.py": "#!/usr/bin/env python3\nimport os\nprint(os.environ['GREETING'])\n" },
        run: { environment },
      },
    ]);
    const [id = ""] = runs;
    const ended = await clientOf(gateway).wait(id);
    expect(ended).toMatchObject({ status: "succeeded", reply: "hallo 'du'" });
    await gateway.stop();

    const value = "secret-of-the-run-55a1";
    const submitted = clientOf(host.gateway).submitRun({
      ...{ model: "compatible/x", prompt: "go" },
      ...{ environment: { envVars: { A: value } }, secrets: { env: { TOKEN: value } } },
    });
    await expect(submitted).rejects.toThrow(/environment: holds the value of one of secrets/);
  });
});
