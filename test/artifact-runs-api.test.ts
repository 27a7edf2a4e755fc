/** Programs of artifacts through the API and the terminal: run and proved with nothing but what is in the artifact. */
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../src/cli/cli.ts";
import { layerId } from "../src/contract/layer.ts";
import type { Artifact, ArtifactProof, Layer, RunRef } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf, type Reachable } from "./support/airlock-api.ts";
import { archiveOf } from "./support/hostile-tar.ts";
import { removeTree } from "./support/remove-tree.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let gateway: StartedGateway;
let other: Reachable;
let artifact: Artifact;
let layer: Layer;
beforeAll(async () => {
  const env = { AIRLOCK_RATE_SUBMISSIONS: "10000", AIRLOCK_MAX_RUNS: "2" };
  gateway = await startGateway({ env });
  const { tokens } = clientOf(gateway);
  const made = await tokens.create({ name: "other", scopes: ["runs"], workspace: "other" });
  other = { url: gateway.url, token: made.secret };
  layer = await bring("def greet(name): return f'hello {name}'\n");
  artifact = await create(layer);
});
afterAll(() => gateway.stop());

function bring(code: string, abi?: { arch: string; libc: string }): Promise<Layer> {
  const archive = archiveOf([
    { name: "tiny", type: "5" },
    { name: "tiny/__init__.py", bytes: code },
    { name: "tiny-1.0.dist-info", type: "5" },
    { name: "tiny-1.0.dist-info/METADATA", bytes: "Name: tiny\nVersion: 1.0\n" },
  ]);
  return clientOf(gateway).layers.import(archive, { name: "deps", ...(abi ? { abi } : {}) });
}

const main = [
  "import os, socket, sys, tiny",
  "print(tiny.greet(*sys.argv[1:]))",
  "print('and to stderr', file=sys.stderr)",
  "if sys.argv[1:] == ['fail']: sys.exit(7)",
  "if sys.argv[1:] == ['die']: os.kill(os.getpid(), 9)",
  "if sys.argv[1:] == ['call home']: socket.create_connection(('127.0.0.1', 1))",
  "if sys.argv[1:] == ['look']: print(sorted(os.listdir('/tmp')), os.listdir('/workspace'))",
  "if sys.argv[1:] == ['write']: open('/tmp/main.py', 'w')",
];

function create(held: Layer): Promise<Artifact> {
  return clientOf(gateway).artifacts.create({
    files: [
      { path: "main.py", content: `${main.join("\n")}\n` },
      { path: "data/it.txt", content: held.id },
    ],
    entrypoints: ["main.py"],
    layers: [{ layer: held.id, mount_path: "/opt/deps" }],
  });
}

/** The result of the one call that such a run has. */
async function resultOf(run: RunRef): Promise<Record<string, unknown>> {
  await run.wait();
  const [result, ...others] = await resultsOf(gateway, run.id);
  expect(others).toEqual([]);
  return result ?? {};
}

function exec(args: string[], ref = artifact.id): Promise<RunRef> {
  return clientOf(gateway).artifacts.exec(ref, { entrypoint: "main.py", args });
}

describe("a program of an artifact", () => {
  it("runs with the artifact's files and layers, its arguments as they are, and ends the run", async () => {
    const run = await exec(["$(id) 'quoted' \\ \n"], artifact.ref ?? "");
    const { status, stop_reason, turns } = await run.wait();
    expect([status, stop_reason, turns]).toEqual(["succeeded", "end_turn", 1]);
    expect(await resultOf(run)).toMatchObject({
      ...{ ok: true, exit_code: 0, stderr: "and to stderr\n" },
      stdout: "hello $(id) 'quoted' \\ \n\n",
    });
  });

  it("has nothing else: no other file, no way to change its own, no network", async () => {
    expect(await resultOf(await exec(["look"]))).toMatchObject({
      stdout: "hello look\n['data', 'main.py'] []\n",
    });
    const changed = await resultOf(await exec(["write"]));
    expect(changed).toMatchObject({ ok: false, exit_code: 1 });
    expect(String(changed.stderr)).toMatch(/Read-only file system|Permission denied/);
    const called = await resultOf(await exec(["call home"]));
    expect(called).toMatchObject({ ok: false, exit_code: 1 });
    expect(String(called.stderr)).toMatch(/Connection refused|Network is unreachable/);
  });

  it("that fails ends its run as failed, with its exit code", async () => {
    const run = await exec(["fail"]);
    const { status, message } = await run.wait();
    expect([status, message]).toEqual(["failed", expect.stringContaining("7")]);
    expect(await resultOf(run)).toMatchObject({ ok: false, exit_code: 7 });
  });

  it("is started once for one key, and never for the same key with other arguments", async () => {
    const path = `/api/artifacts/${artifact.id}/exec`;
    const body = { entrypoint: "main.py", args: ["once"], idempotencyKey: "one" };
    const first = await call(gateway, "POST", path, body);
    expect(first.status).toBe(201);
    const { id } = first.body.run as { id: string };
    expect(first.headers.get("location")).toBe(`/api/runs/${id}`);
    const again = await call(gateway, "POST", path, body);
    expect([again.status, (again.body.run as { id: string }).id]).toEqual([200, id]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const changed = await call(gateway, "POST", path, { ...body, args: ["twice"] });
    expect(changed.status).toBe(409);
  });

  it.each<[string, object, number, string]>([
    ["an entrypoint that there is not", { entrypoint: "other.py" }, 400, "main.py"],
    ["a file that is no entrypoint", { entrypoint: "data/it.txt" }, 400, "main.py"],
    ["an entrypoint that climbs out", { entrypoint: "../../bin/sh" }, 400, "main.py"],
    ["no entrypoint", {}, 400, "entrypoint"],
    ["a NUL in an argument", { entrypoint: "main.py", args: ["a\0b"] }, 400, "args[0]"],
    ["a command", { entrypoint: "main.py", command: "id" }, 400, "command"],
  ])("is not started for %s", async (_, body, status, named) => {
    const answer = await call(gateway, "POST", `/api/artifacts/${artifact.id}/exec`, body);
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([
      status,
      expect.stringContaining(named),
    ]);
  });

  it("is not started by another workspace, nor by a ref that was taken out of force", async () => {
    const again = await create(layer);
    await clientOf(gateway).artifacts.revoke(again.ref ?? "");
    const body = { entrypoint: "main.py" };
    for (const [who, ref] of [
      [other, artifact.id],
      [other, artifact.ref],
      [gateway, again.ref],
      [gateway, `art_${"0".repeat(32)}`],
    ] as const) {
      for (const what of ["exec", "prove"]) {
        const { status } = await call(who, "POST", `/api/artifacts/${ref}/${what}`, body);
        expect(status, `${ref} ${what}`).toBe(404);
      }
    }
  });
});

describe("a proof", () => {
  const proofsOf = async ({ id }: Artifact) =>
    (await clientOf(gateway).artifacts.get(id)).proofs as ArtifactProof[];

  it("keeps what was run, on what, how it ended and what it wrote, and outlives its run", async () => {
    const { artifacts } = clientOf(gateway);
    const run = await artifacts.prove(artifact.id, { args: ["world"] });
    const { status, isolation } = await run.wait();
    expect(status).toBe("succeeded");
    const [proof] = await proofsOf(artifact);
    expect(proof).toEqual({
      ...{ runId: run.id, artifactDigest: artifact.digest, layers: [layer.digest] },
      ...{ entrypoint: "main.py", command: null, args: ["world"] },
      ...{ passed: true, exitCode: 0, isolation, network: "none" },
      output: { stdout: digestOf("hello world\n"), stderr: digestOf("and to stderr\n") },
      createdAt: expect.stringMatching(/^\d{4}-/),
    });
    const events = await historyOf(gateway, run.id);
    expect(events.filter(({ type }) => type === "artifact.proved")).toHaveLength(1);
    await run.delete();
    expect((await proofsOf(artifact))[0]).toEqual(proof);
  });

  it("is kept of what did not work, too", async () => {
    const { artifacts } = clientOf(gateway);
    const own = await create(await bring("def greet(name): return 'failing'\n"));
    await (await artifacts.prove(own.id, { args: ["fail"] })).wait();
    await (await artifacts.prove(own.id, { args: ["die"] })).wait();
    const command = "test -d /opt/deps/tiny && python3 -c 'import tiny' && exit 3";
    await (await artifacts.prove(own.id, { command })).wait();
    const proofs = await proofsOf(own);
    const seen = proofs.map(({ passed, exitCode, command: c, entrypoint }) => ({
      ...{ passed, exitCode, command: c, entrypoint },
    }));
    expect(seen.reverse()).toEqual([
      { passed: false, exitCode: 7, command: null, entrypoint: "main.py" },
      { passed: false, exitCode: 137, command: null, entrypoint: "main.py" },
      { passed: false, exitCode: 3, command, entrypoint: null },
    ]);
  });

  it("is left by no program that was only run", async () => {
    const own = await create(await bring("def greet(name): return 'only run'\n"));
    await (await exec(["x"], own.id)).wait();
    expect(await proofsOf(own)).toEqual([]);
  });
});

describe("an artifact that is not what it was", () => {
  const hexOf = (bytes: string) => createHash("sha256").update(bytes).digest("hex");

  it.each<[string, (path: string) => void]>([
    ["changed", (path) => writeFileSync(path, "x")],
    ["lost", (path) => rmSync(path)],
  ])("with a file that was %s does not run, proves nothing, and names it", async (what, change) => {
    const own = await create(await bring(`def greet(name): return 'a ${what} file'\n`));
    const hex = own.files.find(({ name }) => name === "data/it.txt")?.sha256.slice(7) ?? "";
    const path = join(gateway.dataDir, "blobs", hex.slice(0, 2), hex.slice(2));
    chmodSync(path, 0o600);
    change(path);
    const run = await clientOf(gateway).artifacts.prove(own.id);
    const { status, message } = await run.wait();
    expect([status, message]).toEqual(["failed", expect.stringContaining('"data/it.txt"')]);
    expect((await clientOf(gateway).artifacts.get(own.id)).proofs).toEqual([]);
  });

  it.each<[string, (path: string) => void]>([
    [
      "a changed layer",
      (path) => {
        const file = join(path, "tree/tiny/__init__.py");
        chmodSync(file, 0o644);
        writeFileSync(file, "raise SystemExit('changed')\n");
      },
    ],
    ["no layer", removeTree],
  ])("with %s does not run, proves nothing, and the layer is named", async (what, change) => {
    const held = await bring(`def greet(name): return '${hexOf(what)}'\n`);
    const own = await create(held);
    change(join(gateway.dataDir, "layers", held.digest.slice(7)));
    const run = await clientOf(gateway).artifacts.prove(own.id);
    const { status, message } = await run.wait();
    expect([status, message]).toEqual(["failed", expect.stringContaining(layerId(held.digest))]);
    expect((await clientOf(gateway).artifacts.get(own.id)).proofs).toEqual([]);
  });

  it("with a layer for another processor does not run, and the layer is named", async () => {
    const abi = { arch: process.arch === "x64" ? "arm64" : "x64", libc: "glibc" };
    const held = await bring("def greet(name): return 'foreign'\n", abi);
    const { status, message } = await (await exec(["x"], (await create(held)).id)).wait();
    expect(status).toBe("failed");
    expect(message).toContain(held.id);
    expect(message).toContain(abi.arch);
  });
});

describe("the terminal", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "airlock-artifact-runs-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  async function airlock(...argv: string[]) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const [out, err] = [text(stdout), text(stderr)];
    const code = await runCli(argv, {
      stdin: Readable.from([]),
      ...{ stdout, stderr },
      env: { AIRLOCK_TOKEN: gateway.token, AIRLOCK_URL: gateway.url },
      onSignal: () => () => undefined,
      exit: () => undefined,
    });
    stdout.end();
    stderr.end();
    return { code, out: await out, err: await err };
  }

  it("shows what a program wrote, and ends with its exit code", async () => {
    const well = await airlock("artifacts", "exec", artifact.id, "main.py", "--", "--name");
    expect(well).toMatchObject({ code: 0, out: "hello --name\n" });
    expect(well.err).toMatch(/^run_\w+\nand to stderr\n$/);
    const { code } = await airlock("artifacts", "exec", artifact.id, "main.py", "--", "fail");
    expect(code).toBe(7);
  });

  it("says why a program was not run, or did not come to its end", async () => {
    const held = await bring("def greet(name): return 'to be removed'\n");
    const own = await create(held);
    const slow = [
      "artifacts",
      "prove",
      own.id,
      "--command",
      "sleep 60",
      "--limit",
      "callSeconds=1",
    ];
    const killed = await airlock(...slow);
    expect(killed).toMatchObject({ code: 1, err: expect.stringContaining("killed after 1 s") });
    expect(killed.out).toContain("no exit code: it was killed");
    removeTree(join(gateway.dataDir, "layers", held.digest.slice(7)));
    for (const argv of [
      ["exec", own.id, "main.py"],
      ["prove", own.id],
    ]) {
      const { code, out, err } = await airlock("artifacts", ...argv);
      expect([code, out, err]).toEqual([1, "", expect.stringContaining(held.id)]);
    }
  });

  it("prints a proof whole, and lists it with the artifact", async () => {
    const proved = await airlock("artifacts", "prove", artifact.id, "main.py", "--", "me");
    expect(proved.code).toBe(0);
    for (const line of [
      "✓ Proved: main.py me works with nothing but the artifact",
      `artifact    ${artifact.id}`,
      `digest      ${artifact.digest}`,
      `layer       ${layer.digest}`,
      "ended with  exit code 0",
      `stdout      ${digestOf("hello me\n")}`,
      "isolation   grade ",
      "network     none",
      "run         run_",
    ]) {
      expect(proved.out).toContain(line);
    }
    const show = await airlock("artifacts", "show", artifact.id);
    expect(show.out).toMatch(
      /✓ main\.py me: exit code 0, grade [AB], network none, \S+, run_\w+\n/,
    );
    const failed = await airlock("artifacts", "prove", artifact.id, "main.py", "--", "fail");
    expect(failed).toMatchObject({
      code: 1,
      out: expect.stringContaining("✗ Not proved: main.py fail"),
    });
    const lines = (await airlock("--json", "artifacts", "prove", artifact.id)).out
      .trim()
      .split("\n");
    const last = lines.slice(-2).map((line) => JSON.parse(line));
    expect(last).toEqual([
      { run: expect.objectContaining({ status: "failed" }) },
      { proof: expect.objectContaining({ passed: false, entrypoint: "main.py" }) },
    ]);
  });
});

function digestOf(bytes: string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
