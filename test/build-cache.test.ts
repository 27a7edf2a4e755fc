/**
 * A build that was done before is not done again, as long as nothing that it depends on has changed: whatever could have
 * changed what comes out makes it another build.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import type { CallAnswer } from "./support/directed-run.ts";
import {
  openPackageHost,
  type PackageHost,
  powers,
  type RunOptions,
} from "./support/package-host.ts";
import { installRow, packageRow, rowNames } from "./support/package-rows.ts";
import { refusedCall } from "./support/refused-call.ts";
import { removeTree } from "./support/remove-tree.ts";

let host: PackageHost;
beforeAll(async () => {
  host = await openPackageHost();
}, 180_000);
afterAll(async () => {
  await host?.close();
});

type Layers = { digest: string; cached: boolean }[];

function digestOf(answer: CallAnswer): string {
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true });
  return (answer.captured_layers as Layers)[0]?.digest ?? "none";
}

describe("a build of a package client", () => {
  it.each(rowNames)(
    "of %s is found again by another run, without a connection and with its lock",
    async (name) => {
      const row = packageRow(name, host.registry);
      const first = await host.open();
      const built = await installRow(first, row, { isLocked: false });
      const connections = host.registry.connections();
      expect(connections).toBeGreaterThan(0);
      const second = await host.open();
      const again = await installRow(second, row, { isLocked: false });
      expect(again).toMatchObject({ ok: true, exit_code: 0, cached: true });
      expect(digestOf(again)).toBe(digestOf(built));
      expect(again.cached_age_seconds).toBeLessThan(60);
      expect((again.captured_layers as Layers).map(({ cached }) => cached)).toEqual([true]);
      expect(host.registry.connections()).toBe(connections);
      const look = {
        command:
          "cat package-lock.json Cargo.lock go.sum 2>/dev/null; find /tmp /workspace -type f ! -path '/tmp/go_modules/*' ! -path '/tmp/cargo_registry/*' ! -path '*/node_modules/*' ! -path '/tmp/venv/*' -exec stat -c '%n %a' {} + | sort",
      };
      const [one, other] = [
        await first.call("sandbox_exec", look),
        await second.call("sandbox_exec", look),
      ];
      expect(other.stdout).toBe(one.stdout);
      if (name === "Node") expect(other.stdout).toContain("/tmp/package-lock.json 644");
      if (name === "Rust") expect(other.stdout).toContain("/tmp/Cargo.lock 644");
      await Promise.all([first.end(), second.end()]);
    },
    180_000,
  );

  it("is done again when it is to be fresh, and found again after that", async () => {
    const row = packageRow("Python", host.registry);
    const run = await host.open();
    const built = await installRow(run, row, { isLocked: true });
    const connections = host.registry.connections();
    const other = await host.open();
    const fresh = await installRow(other, row, { isLocked: true, fresh: true });
    expect(fresh).toMatchObject({ cached: false });
    expect(digestOf(fresh)).toBe(digestOf(built));
    expect(host.registry.connections()).toBeGreaterThan(connections);
    const third = await host.open();
    expect(await installRow(third, row, { isLocked: true })).toMatchObject({ cached: true });
    await Promise.all([run.end(), other.end(), third.end()]);
  }, 180_000);
});

const command = "mkdir -p out && cp a.txt out/ && echo said > said.txt";
const capture_paths = [{ path: "/tmp/out", mount_as: "/opt/out" }];

interface Variation {
  command?: string;
  capture_paths?: unknown;
  content?: Record<string, string>;
  /** A command that the run has made before. */
  before?: string;
  options?: RunOptions;
}

async function build(more: Variation = {}): Promise<CallAnswer> {
  const run = await host.open(more.options);
  try {
    for (const [name, content] of Object.entries({ "a.txt": "a", ...more.content })) {
      await run.call("content_write", { name, content });
    }
    if (more.before !== undefined) await run.call("sandbox_exec", { command: more.before });
    const args = { command, capture_paths };
    if (more.command !== undefined) args.command = more.command;
    if (more.capture_paths !== undefined) args.capture_paths = more.capture_paths as never;
    const answer = await run.call("sandbox_exec", args);
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true });
    return answer;
  } finally {
    await run.end();
  }
}

describe("the same build", () => {
  beforeAll(async () => {
    expect(await build()).toMatchObject({ cached: false });
    expect(await build()).toMatchObject({ cached: true });
  });

  it.each<[string, Variation]>([
    ["its command", { command: `${command} ` }],
    ["a file that it reads", { content: { "a.txt": "b" } }],
    ["a file beside that", { content: { "b.txt": "" } }],
    ["what it captures", { capture_paths: [{ path: "/tmp/out" }] }],
    ["a file that lies in /tmp", { before: "echo x > stray" }],
    ["a file that lies in /workspace", { before: "echo x > /workspace/stray" }],
    ["a link in /tmp", { before: "ln -s /etc/passwd link" }],
    ["an empty directory in /tmp", { before: "mkdir empty" }],
    ["the mode of a file", { before: "chmod +x a.txt" }],
    ["the hosts that it may reach", { options: { hosts: ["registry.test"] } }],
    ["that it may reach none", { options: { hosts: null } }],
  ])("is another one with %s", async (_what, variation) => {
    expect(await build(variation)).toMatchObject({ cached: false });
    expect(await build(variation)).toMatchObject({ cached: true });
    expect(await build()).toMatchObject({ cached: true });
  });

  it("is another one in another workspace, and no layer of the first is known there", async () => {
    const tokens = clientOf(host.gateway).tokens;
    const other = await tokens.create({ name: "b", scopes: ["runs"], workspace: "other" });
    const as = { url: host.gateway.url, token: other.secret };
    const [layer] = (await build({ options: { as } })).captured_layers as Layers;
    expect(layer).toMatchObject({ cached: false });
    expect(await build({ options: { as } })).toMatchObject({ cached: true });
    const run = await host.open();
    const only = await run.call("sandbox_exec", {
      ...{ command: "mkdir own && echo mine > own/a", capture_paths: [{ path: "/tmp/own" }] },
    });
    const foreign = await host.open({ as });
    await foreign.call("content_write", { name: "a.txt", content: "a" });
    const stolen = await foreign.call("artifact_build", {
      ...{ inputs: ["a.txt"], layers: only.captured_layers },
    });
    expect(stolen).toMatchObject({ ok: false, error: "layer_not_found" });
    await Promise.all([run.end(), foreign.end()]);
  });

  it("is found again in the same run, however often", async () => {
    const run = await host.open();
    await run.call("content_write", { name: "a.txt", content: "a" });
    const args = { command: "mkdir -p out && cp a.txt out/ && : same run", capture_paths };
    const answers: CallAnswer[] = [];
    for (let time = 0; time < 3; time++) answers.push(await run.call("sandbox_exec", args));
    expect(new Set(answers.map(digestOf)).size).toBe(1);
    expect(answers.map(({ cached }) => cached)).toEqual([false, true, true]);
    await run.end();
  });

  it("is done once when runs ask for it at the same time", async () => {
    const asked = await Promise.all(
      Array.from({ length: 4 }, () => build({ command: `sleep 0.3; ${command}` })),
    );
    expect(asked.filter(({ cached }) => !cached)).toHaveLength(1);
  });

  it("is not kept when it failed, or left too much beside what it captures", async () => {
    const run = await host.open();
    const failing = { command: "mkdir out && echo x > out/x && false", capture_paths };
    for (let time = 0; time < 2; time++) {
      const answer = await run.call("sandbox_exec", failing);
      expect(answer).toMatchObject({ ok: false, exit_code: 1, captured_layers: [] });
    }
    await run.end();
    for (const more of [
      "head -c 3000000 /dev/zero > big",
      "touch many{1..40}",
      "ln -s x link",
      "mv a.txt out/",
      "mkdir empty",
    ]) {
      const variation = { command: `mkdir out && cp a.txt out/ && ${more}` };
      expect(await build(variation)).toMatchObject({ cached: false });
      expect(await build(variation), more).toMatchObject({ cached: false });
    }
  }, 180_000);
});

/** The rows of builds as the operator finds them. */
function rows<T>(work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(host.dataDir, "airlock.db"), { timeout: 5_000 });
  try {
    return work(db);
  } finally {
    db.close();
  }
}

describe("a build that was kept", () => {
  const day = 24 * 60 * 60_000;

  it.each([
    [false, "lives for a day"],
    [true, "with a lock of hashes lives for ever"],
  ])(
    "(with hashes: %s) %s",
    async (isLocked) => {
      rows((db) => db.exec("DELETE FROM build_layers; DELETE FROM builds"));
      const row = packageRow("Python", host.registry);
      const install = async () => {
        const run = await host.open();
        const answer = await installRow(run, row, { isLocked });
        await run.end();
        return answer;
      };
      expect(await install()).toMatchObject({ cached: false });
      const kept = rows((db) => db.prepare("SELECT created_at, expires_at FROM builds").get()) as {
        created_at: string;
        expires_at: string | null;
      };
      if (isLocked) return expect(kept.expires_at).toBeNull();
      const lives = Date.parse(kept.expires_at ?? "") - Date.parse(kept.created_at);
      expect(Math.abs(lives - day)).toBeLessThan(1_000);
      expect(await install()).toMatchObject({ cached: true });
      const past = new Date(Date.now() - 1).toISOString();
      rows((db) => db.prepare("UPDATE builds SET expires_at = ?").run(past));
      expect(await install()).toMatchObject({ cached: false });
      expect(await install()).toMatchObject({ cached: true });
    },
    180_000,
  );

  it.each([
    ["is missing", (tree: string) => removeTree(join(tree, ".."))],
    [
      "is damaged",
      (tree: string) => {
        const file = join(tree, "a.txt");
        chmodSync(file, 0o644);
        writeFileSync(file, "A");
      },
    ],
  ])("is done again when its layer %s, which mends it", async (what, harm) => {
    const own = { command: `${command}; : ${what}`, content: { "a.txt": what } };
    const digest = digestOf(await build(own));
    await host.gateway.stop();
    harm(join(host.dataDir, "layers", digest.slice("sha256:".length), "tree"));
    await host.restart();
    const again = await build(own);
    expect(again).toMatchObject({ cached: false });
    expect(digestOf(again)).toBe(digest);
    expect(await clientOf(host.gateway).layers.verify(digest)).toEqual({ ok: true });
    expect(await build(own)).toMatchObject({ cached: true });
  });

  it("is another one with other tools, and with another configuration of package clients", async () => {
    expect(await build()).toMatchObject({ cached: expect.any(Boolean) });
    // Below /tmp it could be none: that is every run's own.
    const place = process.getuid?.() === 0 ? "/opt" : homedir();
    const toolchain = join(place, `airlock-toolchain-${process.pid}`);
    onTestFinished(() => rmSync(toolchain, { recursive: true }));
    mkdirSync(join(toolchain, "bin"), { recursive: true });
    writeFileSync(join(toolchain, "bin/go"), "#!/bin/sh\necho go version go9.9 linux\n", {
      mode: 0o755,
    });
    for (const env of [{ AIRLOCK_TOOLCHAINS: toolchain }, { PIP_RETRIES: "2" }]) {
      await host.gateway.stop();
      await host.restart({ env });
      expect(await build()).toMatchObject({ cached: false });
      expect(await build()).toMatchObject({ cached: true });
    }
    await host.gateway.stop();
    await host.restart();
    expect(await build()).toMatchObject({ cached: true });
  }, 180_000);
});

const pythonFixture = { runtime: "python", packages: ["airlock-fixture"] };
const saysWord = "python3 -c 'import airlock_fixture; print(airlock_fixture.word)'";
const requiresWord = "node -p 'require(\"airlock-fixture\")'";

describe("dependencies of a call", () => {
  it.each([
    // To a shell that read it, this would be a redirect (weakness 28).
    ["python", "airlock-fixture>=0", saysWord],
    ["nodejs", "airlock-fixture", requiresWord],
    ["node", "airlock-fixture", requiresWord],
  ])(
    "of %s are installed once, and are a layer that is found again: %s",
    async (runtime, wanted, says) => {
      rows((db) => db.exec("DELETE FROM build_layers; DELETE FROM builds"));
      const dependencies = { runtime, packages: [wanted] };
      const answers: CallAnswer[] = [];
      const connections = [host.registry.connections()];
      for (let time = 0; time < 2; time++) {
        const run = await host.open();
        answers.push(await run.call("sandbox_exec", { command: says, dependencies }));
        connections.push(host.registry.connections());
        await run.end();
      }
      for (const answer of answers) {
        expect(answer, JSON.stringify(answer)).toMatchObject({ stdout: "from the local index\n" });
      }
      const layers = answers.map(({ dependency_layers }) => (dependency_layers as Layers)[0]);
      expect(layers.map((layer) => layer?.cached)).toEqual([false, true]);
      expect(layers[0]?.digest).toBe(layers[1]?.digest);
      expect(connections[1]).toBeGreaterThan(connections[0] ?? 0);
      expect(connections[2]).toBe(connections[1]);
    },
    180_000,
  );

  it("of Node are found by import as well, unless the run has modules of its own", async () => {
    const run = await host.open();
    const content = "import word from 'airlock-fixture';\nconsole.log(word);\n";
    await run.call("content_write", { name: "main.mjs", content });
    const dependencies = { runtime: "node", packages: ["airlock-fixture"] };
    const program = { command: "node main.mjs", dependencies };
    expect(await run.call("sandbox_exec", program)).toMatchObject({
      stdout: "from the local index\n",
    });
    const own = "mkdir -p node_modules/airlock-fixture && cd node_modules/airlock-fixture && ";
    const write = `${own} echo 'module.exports = "its own"' >index.js`;
    expect(await run.call("sandbox_exec", { command: write })).toMatchObject({ ok: true });
    expect(await run.call("sandbox_exec", program)).toMatchObject({ stdout: "its own\n" });
    await run.end();
  });

  it("of an artifact become a layer of it, in Python and in Node", async () => {
    const run = await host.open();
    const files = {
      "main.py": "import airlock_fixture\nprint(airlock_fixture.word)\n",
      "main.mjs": "import word from 'airlock-fixture';\nconsole.log(word);\n",
    };
    for (const [name, content] of Object.entries(files)) {
      await run.call("content_write", { name, content });
    }
    for (const [entrypoint, runtime] of [
      ["main.py", "python"],
      ["main.mjs", "node"],
    ]) {
      const built = await run.call("artifact_build", {
        ...{ inputs: [entrypoint], entrypoints: [entrypoint] },
        dependencies: { runtime, packages: ["airlock-fixture"] },
      });
      expect(built, JSON.stringify(built)).toMatchObject({ ok: true });
      const { artifact_ref } = built;
      const ran = await run.call("artifact_exec", { artifact_ref, entrypoint });
      expect(ran, JSON.stringify(ran)).toMatchObject({ stdout: "from the local index\n" });
    }
    await run.end();
  }, 180_000);

  it.each([
    ["sandbox_exec", { command: saysWord }],
    ["artifact_build", { inputs: ["main.py"] }],
  ])(
    "of %s are a question to a person without NetworkAccess, for the registry alone",
    async (tool, args) => {
      const run = await host.open({ hosts: null });
      await run.call("content_write", { name: "main.py", content: "print(1)" });
      const connections = host.registry.connections();
      const { hosts, answer } = await refusedCall(host.gateway, run, () =>
        run.call(tool, { ...args, dependencies: pythonFixture }),
      );
      expect(hosts).toEqual([host.registry.host]);
      expect(answer).toMatchObject({ ok: false, approval_rejected: true });
      expect(host.registry.connections()).toBe(connections);
      await run.end();
    },
  );

  it("are a question of permission where nobody is asked, and packager.default is the way", async () => {
    const agent = {
      ...{ instructions: "You do as you are told", capabilities: structuredClone(powers) as never },
      remote_access: { approval_mode: "deny" as const },
    };
    const run = await host.open({ agent });
    await run.call("content_write", { name: "main.py", content: "print(1)" });
    for (const [tool, args] of [
      ["sandbox_exec", { command: saysWord }],
      ["sandbox_exec", { command: saysWord, network: "none" }],
      ["artifact_build", { inputs: ["main.py"] }],
    ] as const) {
      const answer = await run.call(tool, { ...args, dependencies: pythonFixture });
      expect(answer).toMatchObject({ ok: false, error_type: "permission" });
      expect(answer.repair_hint).toContain("packager.default");
    }
    await run.end();
  });

  it("are refused beside layers and artifacts, with the reason", async () => {
    const run = await host.open();
    await run.call("content_write", { name: "main.py", content: "print(1)" });
    const captured = await run.call("sandbox_exec", {
      command,
      capture_paths: [{ path: "/tmp/o" }],
    });
    expect(captured.ok).toBe(false);
    const made = await run.call("sandbox_exec", {
      ...{ command: "mkdir o && echo x > o/x", capture_paths: [{ path: "/tmp/o" }] },
    });
    const { artifact_ref } = await run.call("artifact_build", { inputs: ["main.py"] });
    const dependencies = pythonFixture;
    const refusals: [[tool: string, args: object], RegExp][] = [
      [
        ["artifact_build", { inputs: ["main.py"], layers: made.captured_layers, dependencies }],
        /must not be given with layers: what is installed is in the layers already/,
      ],
      [
        ["sandbox_exec", { command: "true", artifact_ref, dependencies }],
        /must not be given with an artifact: its dependencies are in its layers already/,
      ],
      [
        ["sandbox_exec", { command: "true", capture_paths: [{ path: "/tmp/o" }], dependencies }],
        /must not be given with capture_paths/,
      ],
      [
        ["sandbox_exec", { command: "true", dependencies: { runtime: "ruby", packages: ["x"] } }],
        /expected python, nodejs or node/,
      ],
      [
        [
          "sandbox_exec",
          { command: "true", dependencies: { runtime: "python", packages: ["--index-url=x"] } },
        ],
        /expected a package name/,
      ],
      [
        [
          "sandbox_exec",
          { command: "true", dependencies: { runtime: "python", packages: ["x; touch /tmp/y"] } },
        ],
        /expected a package name/,
      ],
    ];
    for (const [[tool, args], message] of refusals) {
      const answer = await run.call(tool, args);
      expect(answer).toMatchObject({ ok: false, error_type: "validation" });
      expect(answer.message).toMatch(message);
    }
    await run.end();
  });

  it("that nobody has are named, with what the client said", async () => {
    const run = await host.open();
    const dependencies = { runtime: "python", packages: ["no-such-fixture"] };
    const answer = await run.call("sandbox_exec", { command: "echo ran", dependencies });
    expect(answer).toMatchObject({ ok: false, error_kind: "dependencies_failed" });
    expect(answer.message).toContain("no-such-fixture");
    expect(answer.stdout).not.toContain("ran");
    await run.end();
  });
});
