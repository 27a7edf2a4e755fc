/**
 * The two founding agents, with exactly the powers that their manifests declare: every tool and every command that their
 * instructions name works, and everything else is refused in words that a person understands.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import type { CallAnswer, DirectedRun } from "./support/directed-run.ts";
import { coder, packager } from "./support/founding-agents.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { installRow, packageRow, rowNames, word } from "./support/package-rows.ts";
import { untilEvent } from "./support/results-of.ts";

let host: PackageHost;
beforeAll(async () => {
  host = await openPackageHost();
}, 180_000);
afterAll(async () => {
  await host.close();
});

const program = "#!/usr/bin/env python3\nimport sys\nprint('hello', *sys.argv[1:])\n";
const exec = (run: DirectedRun, command: string, more: object = {}) =>
  run.call("sandbox_exec", { command, ...more });

async function askedBy(run: DirectedRun): Promise<string[]> {
  const history = await historyOf(host.gateway, run.id);
  return history.filter((e) => isEvent(e, "approval.requested")).map((e) => e.data.summary);
}

function expectRefusal(answer: CallAnswer, command: string): void {
  expect(answer, command).toMatchObject({ ok: false, error_type: "permission" });
  expect(String(answer.message)).toContain("sandbox command denied by CodeExecution policy");
  expect(String(answer.repair_hint).length, command).toBeGreaterThan(10);
  const { reasons } = answer.details as { reasons: { token: string; offset: number }[] };
  // In a payload, where the payload stands.
  const at = command.indexOf(String(reasons[0]?.token));
  expect(reasons[0]?.offset, command).toBeLessThanOrEqual(at);
  expect(at - (reasons[0]?.offset ?? 0), command).toBeLessThan(10);
}

describe("the coder", () => {
  let run: DirectedRun;
  beforeEach(async () => {
    run = await host.open({ agent: coder });
  });
  afterEach(async () => {
    expect(await run.end()).toMatchObject({ status: "succeeded" });
  });

  it("writes and reads files, and runs them by every pattern that it declares", async () => {
    const files = {
      "script.py": "#!/usr/bin/env python3\nprint('hello')\n",
      "tool.mjs": "console.log('hello');\n",
      "scripts/step.py": "print('hello')\n",
    };
    for (const [name, content] of Object.entries(files)) {
      expect(await run.call("content_write", { name, content })).toMatchObject({ ok: true });
    }
    const read = await run.call("content_read", { name_or_handle: "script.py" });
    expect(read).toMatchObject({ ok: true, content: files["script.py"] });
    for (const command of [
      "python3 /tmp/script.py",
      "python /tmp/script.py",
      "node /tmp/tool.mjs",
      "python3 scripts/step.py",
      "python3 -c 'print(\"hello\")'",
      "bash -c 'cd /tmp && python3 script.py | cat'",
      "sh -c 'echo hello'",
    ]) {
      const intent = "Smoke-test it (no network).";
      const answer = await exec(run, command, { intent });
      expect(answer, command).toMatchObject({ ok: true, stdout: "hello\n" });
    }
    expect(await askedBy(run)).toEqual([]);
  });

  it("builds an agent bundle, and starts it with arguments", async () => {
    for (const name of ["main.py", "script.py"]) {
      await run.call("content_write", { name, content: program });
    }
    const built = await run.call("artifact_build", {
      ...{ inputs: ["main.py", "script.py"], entrypoints: ["main.py"], kind: "agent_bundle" },
    });
    expect(built).toMatchObject({ ok: true, artifact_ref: expect.stringMatching(/^ar\./) });
    const { artifact_ref } = built;
    const ran = await run.call("artifact_exec", {
      ...{ artifact_ref, entrypoint: "main.py", args: ["--test"] },
    });
    expect(ran).toMatchObject({ ok: true, stdout: "hello --test\n" });
    expect(await run.call("artifact_inspect", { artifact_ref })).toMatchObject({ ok: true });
  });

  it.each([
    ...["rm -rf x", "rmdir x", "unlink x", "shred x", "wipefs x", "mkfs.ext4 x", "dd if=a of=b"],
    ...["sudo ls", "su root", "doas ls", "env", "printenv", "bash -c 'declare -x'"],
    ...["bash -c 'cat /proc/self/environ'", "bash -c 'rm -rf x'", "sh -c 'ls; sudo ls'"],
    "python3 x.py; rm x",
  ])("is refused %s, with the token that is at fault", async (command) => {
    expectRefusal(await exec(run, command), command);
  });

  it.each(["ls -la", "ruby x.rb", "go build", "cargo fetch", "curl http://registry.test/", "make"])(
    "is refused %s, which no pattern names, and told which way would do",
    async (command) => {
      const answer = await exec(run, command);
      expectRefusal(answer, command);
      expect(String(answer.repair_hint)).toContain(`bash -c '${command}'`);
    },
  );

  it("has no network of its own: what points there is asked about, and refused by a person it is not made", async () => {
    const connections = host.registry.connections();
    const told = exec(
      run,
      "python3 -c \"import urllib.request as u; u.urlopen('https://registry.test/')\"",
    );
    told.catch(() => undefined);
    await untilEvent(run.run, "approval.requested");
    const { approvals } = await clientOf(host.gateway).approvals.list({ status: "pending" });
    expect(approvals[0]?.request.hosts).toEqual(["registry.test:443"]);
    await clientOf(host.gateway).approvals.deny(approvals[0]?.id ?? "", { reason: "Mock it" });
    expect(await told).toMatchObject({ ok: false, approval_rejected: true });
    expect(host.registry.connections()).toBe(connections);
  });
});

describe("the packager", () => {
  it.each(rowNames)(
    "installs %s without asking anybody, and builds a layered artifact of it",
    async (name) => {
      // `*` is every public host; the one inside the company has to be named.
      const capabilities = packager.capabilities.map((one) =>
        one.type === "NetworkAccess" ? { ...one, hosts: [...one.hosts, host.registry.host] } : one,
      );
      const run = await host.open({ agent: { ...packager, capabilities } });
      const row = packageRow(name, host.registry);
      // Go and cargo are named by no pattern of the manifest but the shell's.
      const plain = ["Python", "Node"].includes(name);
      const command = plain ? row.command : `bash -c '${row.command}'`;
      if (!plain) expectRefusal(await exec(run, row.command), row.command);
      const installed = await installRow(run, { ...row, command }, { isLocked: false });
      expect(installed, JSON.stringify(installed)).toMatchObject({ ok: true });
      const built = await run.call("artifact_build", {
        ...{ inputs: Object.keys(row.files), entrypoints: [row.entrypoint], kind: "agent_bundle" },
        layers: installed.captured_layers,
      });
      expect(built).toMatchObject({ ok: true });
      const ran = await run.call("artifact_exec", {
        ...{ artifact_ref: built.artifact_ref, entrypoint: row.entrypoint, network: "none" },
      });
      expect(ran, JSON.stringify(ran)).toMatchObject({ ok: true, stdout: `${word}\n` });
      expect(await run.end()).toMatchObject({ status: "succeeded" });
      expect(await askedBy(run)).toEqual([]);
    },
    180_000,
  );
});
