/**
 * What a person approved is exactly what runs (P3): when anything of it has changed since, on disk or by the run itself, it
 * does not run, or it is asked about again (G01, G05, F06, F08). Each case changes one thing; each has its control, in which
 * nothing changed and the call runs.
 */
import { chmodSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { buildArtifact, captureFiles, write } from "./support/artifacts-in-runs.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { questionsOf } from "./support/questions-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
let sink: NetworkSink;

beforeAll(async () => {
  [director, sink] = await Promise.all([openDirector(), openSink("127.0.0.6")]);
  gateway = await startGateway({ env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: "127.0.0.6" } });
});
afterAll(async () => {
  await gateway.stop();
  sink.close();
  await director.close();
});

const agent = {
  ...{ id: "bound", instructions: "Do it." },
  capabilities: [
    { type: "CodeExecution" as const, patterns: ["*"] },
    { type: "WriteAccess" as const, scopes: ["self.*"] },
    { type: "ReadAccess" as const, scopes: ["self.*"] },
  ],
};
const input = { path: "tool", content: "#!/bin/sh\necho first\n", executable: true };
const goes = () => `curl -sS ${sink.url}/bound`;

interface Opened extends DirectedRun {
  ask: ReturnType<typeof questionsOf>["call"];
}

async function open(): Promise<Opened> {
  const run = await director.open(gateway, { agent, files: [input] });
  const { call: ask } = questionsOf(run);
  await write(run, { "go.sh": `${goes()}\n` });
  // It is placed now: from here on a changed copy is the run's own, and is not put right.
  await run.call("sandbox_exec", { command: "true" });
  return { ...run, ask };
}

async function endOf(run: Opened): Promise<void> {
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
}

const approve = (id = "", answer = {}) => clientOf(gateway).approvals.approve(id, answer);
const deny = (id = "") => clientOf(gateway).approvals.deny(id, {});
const arrived = () => sink.hits().length;
const onDisk = (run: Opened, path: string) => join(gateway.dataDir, "runs", run.id, path);

describe("changed on disk while a person thinks", () => {
  const command = "sh go.sh; ./../workspace/tool";
  const cases: [what: string, part: "tmp" | "workspace", change: (run: Opened) => void][] = [
    ["a placed file", "tmp", (run) => writeFileSync(onDisk(run, "tmp/go.sh"), `${goes()}/evil\n`)],
    ["a file beside it", "tmp", (run) => writeFileSync(onDisk(run, "tmp/sitecustomize.py"), "")],
    [
      "a file that is a link now",
      "workspace",
      (run) => {
        const path = onDisk(run, "workspace/tool");
        renameSync(path, `${path}.old`);
        symlinkSync("/bin/true", path);
      },
    ],
    ["a program", "workspace", (run) => writeFileSync(onDisk(run, "workspace/tool"), "\x7fELF")],
    ["permissions", "workspace", (run) => chmodSync(onDisk(run, "workspace/tool"), 0o644)],
    ["a hidden file", "workspace", (run) => writeFileSync(onDisk(run, "workspace/.curlrc"), "-v")],
  ];

  it.each(cases)(
    "%s: the call does not run, and the answer names the part",
    async (_, part, change) => {
      const run = await open();
      const before = arrived();
      const { told, request } = await run.ask({ command });
      expect(request?.hosts).toEqual([sink.host]);
      change(run);
      await approve(request?.request_id);
      expect(await told).toMatchObject({
        ...{ ok: false, error: "approval_mismatch", approval_mismatch: true, changed: [part] },
        request_id: request?.request_id,
      });
      expect(arrived()).toBe(before);
      await endOf(run);
    },
  );

  it("a file that no command has seen yet: it is put right, and what was approved runs", async () => {
    const run = await open();
    await write(run, { "new.sh": `${goes()}/${run.id}\n` });
    const { told, request } = await run.ask({ command: "sh new.sh" });
    writeFileSync(onDisk(run, "tmp/new.sh"), `${goes()}/evil\n`);
    await approve(request?.request_id);
    expect(await told).toMatchObject({ ok: true });
    expect(sink.hits().at(-1)).toBe(`/bound/${run.id}`);
    await endOf(run);
  });

  it("nothing: it runs", async () => {
    const run = await open();
    const before = arrived();
    const { told, request } = await run.ask({ command });
    await approve(request?.request_id);
    expect(await told).toMatchObject({ ok: true, stdout: "reached\nfirst\n" });
    expect(arrived()).toBe(before + 1);
    await endOf(run);
  });

  it("nothing: what it captures is a layer after the answer, too (weakness 30b)", async () => {
    const run = await open();
    const { told, request } = await run.ask({
      command: `${goes()}; mkdir /tmp/made && echo lib > /tmp/made/lib.py`,
      capture_paths: [{ path: "/tmp/made" }],
    });
    await approve(request?.request_id);
    expect(await told).toMatchObject({ ok: true, captured_layers: [{ mount_path: "/tmp/made" }] });
    await endOf(run);
  });
});

describe("changed by the run, where an approval still stands", () => {
  // Where code is downloaded and run a yes is for once, so this one downloads only.
  const command = () => `${goes()}; cat go.sh /workspace/deps/*`;
  const cases: [what: string, change: (run: Opened) => Promise<unknown>][] = [
    ["a content of the same name", (run) => write(run, { "go.sh": `${goes()}/evil\n` })],
    ["another content", (run) => write(run, { "more.py": "1" })],
    ["a file in its home", (run) => run.call("sandbox_exec", { command: "echo >> ~/tool" })],
    ["a file in /tmp", (run) => run.call("sandbox_exec", { command: "echo > /tmp/x" })],
    ["a copy of a content", (run) => run.call("sandbox_exec", { command: "echo >> /tmp/go.sh" })],
    [
      "a layer where none was",
      (run) => captureFiles(run, { path: "/tmp/more" }, { "lib.py": "1" }),
    ],
    [
      "a layer that is made anew",
      (run) => captureFiles(run, { path: "/workspace/deps" }, { "lib.py": "other" }),
    ],
  ];
  const standing = async () => {
    const run = await open();
    await captureFiles(run, { path: "/workspace/deps" }, { "lib.py": "1" });
    const { told, request } = await run.ask({ command: command() });
    await approve(request?.request_id, { scope: "run" });
    expect(await told).toMatchObject({ ok: true });
    // Control: unchanged, nobody is asked again.
    const before = arrived();
    expect(await run.call("sandbox_exec", { command: command() })).toMatchObject({ ok: true });
    expect(arrived()).toBe(before + 1);
    return run;
  };

  it.each(cases)("%s: a person is asked again", async (_, change) => {
    const run = await standing();
    const answer = await change(run);
    expect(answer).not.toEqual(expect.objectContaining({ ok: false }));
    const before = arrived();
    const { told, request } = await run.ask({ command: command() });
    expect(request).toBeDefined();
    await deny(request?.request_id);
    expect(await told).toMatchObject({ approval_rejected: true });
    expect(arrived()).toBe(before);
    await endOf(run);
  });

  it("other arguments of the call: a person is asked again", async () => {
    const run = await standing();
    const before = arrived();
    for (const args of [
      { command: `${command()} ` },
      { command: command(), capture_paths: [{ path: "/tmp/out" }] },
      { command: command(), fresh: true, capture_paths: [{ path: "/workspace/deps" }] },
    ]) {
      const { told, request } = await run.ask(args);
      expect(request, JSON.stringify(args)).toBeDefined();
      await deny(request?.request_id);
      expect(await told).toMatchObject({ approval_rejected: true });
    }
    expect(arrived()).toBe(before);
    await endOf(run);
  });

  it("what is left in the caches is not seen by a call that was approved", async () => {
    const run = await open();
    const look = "cat /cache/tmp/left";
    const leave = "echo left > /cache/tmp/left";
    const left = await run.call("sandbox_exec", { command: leave });
    expect(left).toMatchObject({ exit_code: 0 });
    const { told, request } = await run.ask({ command: `${goes()}; ${look}` });
    await approve(request?.request_id, { scope: "run" });
    expect(await told).toMatchObject({ exit_code: 1, stdout: "reached\n" });
    const again = await run.call("sandbox_exec", { command: `${goes()}; ${look}` });
    expect(again).toMatchObject({ exit_code: 1, stdout: "reached\n" });
    // Control: it is there, for calls that nobody was asked about.
    const seen = await run.call("sandbox_exec", { command: look });
    expect(seen).toMatchObject({ exit_code: 0, stdout: "left\n" });
    await endOf(run);
  });
});

describe("an artifact", () => {
  const exec = (artifact_ref: string, args: string[] = []) => ({
    ...{ artifact_ref, entrypoint: "go.sh", args },
  });
  const build = (run: Opened) => buildArtifact(run, { inputs: ["go.sh"], entrypoints: ["go.sh"] });

  it("that is made anew is asked about again, unless it is the very same", async () => {
    const run = await open();
    await write(run, { "go.sh": `#!/bin/sh\n${goes()}\n` });
    const first = await build(run);
    const { told, request } = await run.ask(exec(first.artifact_ref), "artifact_exec");
    await approve(request?.request_id, { scope: "artifact" });
    expect(await told).toMatchObject({ ok: true, stdout: "reached\n" });
    const same = await build(run);
    expect(same.artifact_id).toBe(first.artifact_id);
    expect(await run.call("artifact_exec", exec(same.artifact_ref))).toMatchObject({ ok: true });
    const before = arrived();
    await write(run, { "go.sh": `#!/bin/sh\n${goes()}/evil\n` });
    const other = await build(run);
    expect(other.artifact_id).not.toBe(first.artifact_id);
    const again = await run.ask(exec(other.artifact_ref), "artifact_exec");
    expect(again.request?.binding.parts.artifact).not.toBe(request?.binding.parts.artifact);
    await deny(again.request?.request_id);
    await again.told;
    expect(arrived()).toBe(before);
    // The first is as it was, and still approved.
    expect(await run.call("artifact_exec", exec(first.artifact_ref))).toMatchObject({ ok: true });
    await endOf(run);
  });

  it("whose bytes are changed on disk while a person thinks does not run", async () => {
    const run = await open();
    await write(run, { "go.sh": `#!/bin/sh\n${goes()}; : ${run.id}\n` });
    const built = await build(run);
    const { told, request } = await run.ask(exec(built.artifact_ref), "artifact_exec");
    const [file] = request?.subject.files ?? [];
    const hex = String(file?.sha256).slice("sha256:".length);
    const blob = join(gateway.dataDir, "blobs", hex.slice(0, 2), hex.slice(2));
    chmodSync(blob, 0o644);
    writeFileSync(blob, `#!/bin/sh\n${goes()}/evil\n`);
    const before = arrived();
    await approve(request?.request_id);
    expect(await told).toMatchObject({ ok: false, error_kind: "digest_mismatch" });
    expect(arrived()).toBe(before);
    await endOf(run);
  });
});

describe("an approval_ref", () => {
  it("is of its own run, its own tool and its own arguments, and nothing runs by it", async () => {
    const run = await open();
    const { told, request } = await run.ask({ command: "sh go.sh" });
    await approve(request?.request_id);
    const first = await told;
    expect(first).toMatchObject({ ok: true });
    const before = arrived();
    const approval_ref = request?.request_id;
    // What the files are now does not matter: the result is the recorded one.
    await write(run, { "go.sh": `${goes()}/evil\n` });
    const replayed = await run.call("sandbox_exec", { command: "sh go.sh", approval_ref });
    expect(replayed).toMatchObject({ ...first, replayed: true });
    for (const args of [
      { command: "sh go.sh " },
      { command: "sh go.sh", network: "none" },
      { command: "sh go.sh", capture_paths: [{ path: "/tmp/out" }] },
      { artifact_ref: "ar.000000000000000000000000" },
      { environment: { A: "1" } },
      { cwd: "/workspace" },
    ]) {
      const answer = await run.call("sandbox_exec", { ...args, approval_ref });
      expect(answer, JSON.stringify(args)).toMatchObject({
        ...{ ok: false, approval_mismatch: true, changed: ["arguments"] },
      });
    }
    const other = await open();
    const [foreign, invented] = await Promise.all(
      [approval_ref, `apr_${"0".repeat(26)}`].map(async (ref, index) => {
        const asker = index === 0 ? other : run;
        const answer = await asker.call("sandbox_exec", { command: "sh go.sh", approval_ref: ref });
        return JSON.stringify(answer).replaceAll(String(ref), "REF");
      }),
    );
    expect(foreign).toContain("approval_not_found");
    expect(foreign).toBe(invented);
    expect(arrived()).toBe(before);
    await endOf(run);
    await endOf(other);
  });
});
