/**
 * Who may have which secret, and what a yes to it covers: names are declared, bound and compared; values never are. And what
 * a command that held one leaves behind is no part of anything that other runs are given.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CapturedLayer } from "../src/contract/layer.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { buildArtifact, write } from "./support/artifacts-in-runs.ts";
import { filesWithSecret, findSecret, newCanary } from "./support/canary.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { questionsOf } from "./support/questions-of.ts";
import { removeTree } from "./support/remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;

beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ env: director.env });
});
afterAll(async () => {
  await gateway.stop();
  await director.close();
});

const agent = {
  ...{ id: "holder", instructions: "Do it." },
  capabilities: [
    { type: "CodeExecution" as const, patterns: ["*"] },
    { type: "WriteAccess" as const, scopes: ["self.*"] },
    { type: "ReadAccess" as const, scopes: ["self.*"] },
  ],
};

async function open(env: Record<string, string>, more: object = {}) {
  const run = await director.open(gateway, {
    agent: { ...agent, ...more },
    ...(Object.keys(env).length > 0 ? { secrets: { env } } : {}),
  });
  const { call: ask } = questionsOf(run);
  return {
    ...run,
    ask,
    async approved(args: object, tool?: string, answer: object = {}) {
      const { told, request } = await ask(args, tool);
      expect(request, "it is asked about").toBeDefined();
      await clientOf(gateway).approvals.approve(request?.request_id ?? "", answer);
      return told;
    },
  };
}

async function endOf(run: DirectedRun): Promise<void> {
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hashOf = (variable: string) => `printf %s "$${variable}" | sha256sum | cut -c1-64`;

describe("the names of secrets", () => {
  it("that no secret has are told with those that there are, and nobody is asked", async () => {
    const run = await open({ B_KEY: newCanary(), A_KEY: newCanary() });
    const { told, request } = await run.ask({
      command: "true",
      credential_env: { KEY: "NOPE", OTHER: "B_KEY", THIRD: "NEITHER" },
    });
    expect(request).toBeUndefined();
    expect(await told).toMatchObject({
      ...{ ok: false, error_type: "resource", error: "secret_not_found" },
      ...{ missing: ["NEITHER", "NOPE"] },
      secrets: expect.arrayContaining(["A_KEY", "B_KEY"]),
      repair_hint: expect.stringContaining("A_KEY, B_KEY"),
    });
    await endOf(run);
  });

  it("that the agent's manifest does not declare are denied, and the others are not told to it", async () => {
    const run = await open(
      { MINE: newCanary(), THEIRS: newCanary() },
      { credential_env: ["MINE"] },
    );
    const { told, request } = await run.ask({
      command: "true",
      credential_env: ["THEIRS", "MINE"],
    });
    expect(request).toBeUndefined();
    const denied = await told;
    expect(denied).toMatchObject({
      ...{ ok: false, error_type: "permission" },
      details: { reasons: [{ rule: "secret_not_declared", token: "THEIRS" }] },
      repair_hint: expect.stringContaining("MINE"),
    });
    const missing = await run.ask({ command: "true", credential_env: ["MINE"], network: "none" });
    expect(missing.request?.binding.parts.secrets).toBe("MINE=MINE");
    await clientOf(gateway).approvals.deny(missing.request?.request_id ?? "", {});
    expect(await missing.told).toMatchObject({ ok: false, error_type: "permission" });
    await endOf(run);
  });

  it("are explained without a run as they are decided in one", async () => {
    const explain = async (more: object) => {
      const args = { command: "true", credential_env: { A: "A_KEY" }, network: "none" };
      const body = { tool: "sandbox_exec", arguments: args, ...more };
      return (await call(gateway, "POST", "/api/policy/explain", body)).body;
    };
    expect(await explain({})).toMatchObject({
      decision: "ask",
      reasons: [{ rule: "secret_in_environment", token: "A_KEY" }],
    });
    const { capabilities } = agent;
    expect(await explain({ agent: { capabilities, credential_env: ["B"] } })).toMatchObject({
      decision: "deny",
      reasons: [{ rule: "secret_not_declared", token: "A_KEY" }],
    });
    expect(await explain({ agent: { capabilities, credential_env: ["A_KEY"] } })).toMatchObject({
      decision: "ask",
    });
  });

  it("cannot be put where a variable means something to the sandbox, and the value is not looked at", async () => {
    const run = await open({ KEY: newCanary() });
    for (const variable of [
      "PATH",
      "LD_PRELOAD",
      "NODE_OPTIONS",
      "HTTP_PROXY",
      "HOME",
      "BASH_ENV",
    ]) {
      const answer = await run.call("sandbox_exec", {
        ...{ command: "true", credential_env: { [variable]: "KEY" } },
      });
      expect(answer).toMatchObject({ ok: false, error_type: "validation" });
      expect(answer.message).toContain(`"${variable}" is reserved`);
    }
    await endOf(run);
  });
});

describe("a yes to a call with secrets", () => {
  it("for the run covers the very same names, and asks again for any other", async () => {
    const run = await open({ A: newCanary(), B: newCanary() });
    const command = "echo done";
    await run.approved({ command, credential_env: ["A"] }, undefined, { scope: "run" });
    const same = await run.ask({ command, credential_env: ["A"] });
    expect([same.request, await same.told]).toMatchObject([undefined, { ok: true }]);
    for (const credential_env of [["B"], ["A", "B"], { A: "B" }, { X: "A" }]) {
      const { request, told } = await run.ask({ command, credential_env });
      expect(request, JSON.stringify(credential_env)).toBeDefined();
      await clientOf(gateway).approvals.deny(request?.request_id ?? "", {});
      await told;
    }
    const none = await run.ask({ command });
    expect([none.request, await none.told]).toMatchObject([undefined, { ok: true }]);
    await endOf(run);
  });

  it("does not stand for other names when the call refers to it", async () => {
    const run = await open({ A: newCanary(), B: newCanary() });
    const { told, request } = await run.ask({ command: "echo done", credential_env: ["A"] });
    await clientOf(gateway).approvals.approve(request?.request_id ?? "", {});
    await told;
    const approval_ref = request?.request_id;
    expect(
      await run.call("sandbox_exec", { command: "echo done", credential_env: ["B"], approval_ref }),
    ).toMatchObject({ ok: false, error: "approval_mismatch", changed: ["arguments"] });
    const replayed = { command: "echo done", credential_env: ["A"], approval_ref };
    expect(await run.call("sandbox_exec", replayed)).toMatchObject({ ok: true, replayed: true });
    await endOf(run);
  });

  it("is kept when the gateway dies, and the value is opened only where the call is started", async () => {
    const secret = newCanary();
    const dataDir = newDataDir();
    const before = await startGateway({ dataDir, env: director.env });
    const run = await director.open(before, { agent, secrets: { env: { KEY: secret } } });
    const args = { command: hashOf("KEY"), credential_env: ["KEY"] };
    const { told, request } = await questionsOf(run).call(args);
    await before.kill9();
    expect(filesWithSecret(dataDir, secret)).toEqual([]);
    const after = await startGateway({ dataDir, env: director.env });
    try {
      await clientOf(after).approvals.approve(request?.request_id ?? "", {});
      expect(await told).toMatchObject({ ok: true, stdout: `${sha256(secret)}\n` });
    } finally {
      // The run waits for its model, and would hold up an orderly end.
      await after.kill9();
      removeTree(dataDir);
    }
  });

  it("is worth nothing when the secret is gone meanwhile: nothing is started", async () => {
    const client = clientOf(gateway);
    const put = (value: string) => call(gateway, "PUT", "/api/secrets/SHARED", { value });
    const [old, rotated] = [newCanary(), newCanary()];
    expect((await put(old)).status).toBe(201);
    const run = await open({});
    const args = { command: `touch /tmp/ran; ${hashOf("SHARED")}`, credential_env: ["SHARED"] };
    const first = await run.ask(args);
    // The present value is what is spent, and it is cut out although it came after the run.
    expect((await put(rotated)).status).toBe(200);
    await client.approvals.approve(first.request?.request_id ?? "", { scope: "run" });
    expect(await first.told).toMatchObject({ ok: true, stdout: `${sha256(rotated)}\n` });
    const both = { ...args, command: `echo "[$SHARED]"; echo "${old}"` };
    expect(await run.approved(both)).toMatchObject({ stdout: "[[redacted]]\n[redacted]\n" });
    const last = await run.ask({ ...args, intent: "Once more" });
    expect(last.request, "the files have changed").toBeDefined();
    expect((await call(gateway, "DELETE", "/api/secrets/SHARED")).status).toBe(204);
    await client.approvals.approve(last.request?.request_id ?? "", {});
    const gone = await last.told;
    expect(gone).toMatchObject({ ok: false, error: "secret_not_found", missing: ["SHARED"] });
    expect(gone.secrets).not.toContain("SHARED");
    await endOf(run);
    const history = Buffer.from(JSON.stringify(await historyOf(gateway, run.id)));
    for (const secret of [old, rotated]) expect(findSecret(history, secret)).toEqual([]);
  });

  it("to an artifact without a secret does not cover the artifact with one, nor with another", async () => {
    const [a, b] = [newCanary(), newCanary()];
    const run = await open({ A: a, B: b });
    const program = `#!/bin/sh\n${hashOf("A")}\n${hashOf("B")}\ncurl -sS -m 1 http://a.example/ 2>&1\ntrue\n`;
    await write(run, { "main.sh": program });
    const { artifact_ref } = await buildArtifact(run, {
      ...{ inputs: ["main.sh"], entrypoints: ["main.sh"], kind: "generic" },
    });
    const exec = { artifact_ref, entrypoint: "main.sh" };
    const empty = sha256("");
    const plain = await run.approved(exec, "artifact_exec", { scope: "artifact" });
    expect(plain).toMatchObject({ ok: true });
    const again = await run.ask({ ...exec, args: ["other"] }, "artifact_exec");
    expect(again.request).toBeUndefined();
    expect((await again.told).stdout).toContain(`${empty}\n${empty}\n`);

    const held = { ...exec, credential_env: ["A"] };
    const told = await run.approved(held, "artifact_exec", { scope: "artifact" });
    expect(told.stdout).toContain(`${sha256(a)}\n${empty}\n`);
    const covered = await run.ask({ ...held, args: ["other"] }, "artifact_exec");
    expect([covered.request, await covered.told]).toMatchObject([undefined, { ok: true }]);
    for (const credential_env of [["A", "B"], { A: "B" }]) {
      const other = await run.ask({ ...exec, credential_env }, "artifact_exec");
      expect(other.request, JSON.stringify(credential_env)).toBeDefined();
      await clientOf(gateway).approvals.deny(other.request?.request_id ?? "", {});
      await other.told;
    }
    await endOf(run);
  });
});

describe("what a command with a secret leaves behind", () => {
  const layer = (path: string) => ({ capture_paths: [{ path }] });

  it("is no layer when a file, a name or a link of it holds the secret, however it is spelt", async () => {
    const secret = newCanary();
    const run = await open({ KEY: secret });
    const cases: [string, string][] = [
      ['mkdir -p d/x; echo "token=$KEY" > d/x/.npmrc', "x/.npmrc"],
      ['printf %s "$KEY" | base64 -w 0 > d/blob', "blob"],
      ['touch "d/$KEY"', ""],
      ['ln -s "/nowhere/$KEY" d/link', "link"],
      ['{ head -c 300000 /dev/zero; printf %s "$KEY"; } > d/big', "big"],
    ];
    for (const [command, file] of cases) {
      const args = { command, credential_env: ["KEY"], ...layer("/tmp/d") };
      const told = await run.approved(args);
      expect(told, command).toMatchObject({
        ...{ ok: false, error: "contains_secret", captured_layers: [] },
        file: file === "" ? "[redacted]" : file,
      });
    }
    // Control: what holds none is captured, and found again as a layer.
    const clean = { command: "echo x > d/fine", credential_env: ["KEY"], ...layer("/tmp/d") };
    const told = await run.approved(clean);
    expect(told).toMatchObject({ ok: true, cached: false });
    expect(told.captured_layers as CapturedLayer[]).toHaveLength(1);
    // What an earlier command hid in a file is found when a later one without the secret captures it.
    await run.approved({ command: 'echo "$KEY" > /workspace/kept', credential_env: ["KEY"] });
    const later = { command: "mkdir -p e; cp /workspace/kept e/", ...layer("/tmp/e") };
    expect(await run.call("sandbox_exec", later)).toMatchObject({ error: "contains_secret" });
    await endOf(run);
    expect(
      findSecret(Buffer.from(JSON.stringify(await historyOf(gateway, run.id))), secret),
    ).toEqual([]);
  });

  it("is never taken from the cache of builds, and never put there", async () => {
    const build = { command: "mkdir -p d; date +%N > d/when", ...layer("/tmp/d") };
    const digestOf = (told: Record<string, unknown>) =>
      (told.captured_layers as CapturedLayer[])[0]?.digest;
    const first = await open({});
    const made = await first.call("sandbox_exec", build);
    expect(made).toMatchObject({ ok: true, cached: false });
    // Control: the very same build of another run is found.
    const second = await open({});
    const found = await second.call("sandbox_exec", build);
    expect([found.cached, digestOf(found)]).toEqual([true, digestOf(made)]);

    const holder = await open({ KEY: newCanary() });
    const own = await holder.approved({ ...build, credential_env: ["KEY"] });
    expect(own).toMatchObject({ ok: true, cached: false });
    expect(digestOf(own)).not.toBe(digestOf(made));
    const third = await open({ KEY: newCanary() });
    const other = await third.approved({ ...build, credential_env: ["KEY"] });
    expect(other).toMatchObject({ ok: true, cached: false });
    expect(digestOf(other)).not.toBe(digestOf(own));
    for (const run of [first, second, holder, third]) await endOf(run);
  });
});
