/**
 * What a run may turn into a layer, and what it may not: whatever it lays at the path, nothing of the host gets into a layer
 * and nothing of the host is moved. What an attack aims at is a directory of this test's own, looked at on the host.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CapturedLayer } from "../src/contract/layer.ts";
import { clientOf } from "./support/airlock-api.ts";
import { captureFiles } from "./support/artifacts-in-runs.ts";
import { filesWithSecret, newCanary } from "./support/canary.ts";
import type { CallAnswer, DirectedRun } from "./support/directed-run.ts";
import { identities } from "./support/escape-identities.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";
import { isSoak } from "./support/soak.ts";

const raceMs = isSoak ? 30_000 : 3_000;
const secret = newCanary();
const canary = mkdtempSync(join(tmpdir(), "airlock-capture-canary-"));
writeFileSync(join(canary, "word"), secret);
afterAll(() => rmSync(canary, { recursive: true, force: true }));

/** The host's own directory is as it was, and nothing of it is in the gateway's store. */
function expectUntouched(host: PackageHost): void {
  expect(readdirSync(canary)).toEqual(["word"]);
  expect(readFileSync(join(canary, "word"), "utf8")).toBe(secret);
  expect(filesWithSecret(join(host.dataDir, "layers"), secret)).toEqual([]);
}

describe.each(identities)("a run of a gateway of $name", ({ uid }) => {
  let host: PackageHost;
  let run: DirectedRun;
  beforeAll(async () => {
    // The kernel lets a run make no file that is larger than its disk.
    host = await openPackageHost({ uid, env: { AIRLOCK_RUN_DISK_BYTES: String(8 * 1024 ** 3) } });
    run = await host.open({ hosts: null });
  }, 180_000);
  afterAll(async () => {
    await run?.end();
    await host?.close();
  });

  async function capture(command: string, ...paths: (string | object)[]): Promise<CallAnswer> {
    const capture_paths = paths.map((path) => (typeof path === "string" ? { path } : path));
    const answer = await run.call("sandbox_exec", { command, capture_paths, network: "none" });
    // What goes well in between keeps the run from being ended for going round in circles.
    await run.call("sandbox_exec", { command: `: ${command.length} ${paths.length}` });
    return answer;
  }

  it.each([
    ["a link", `ln -s ${canary} out`, /"\/tmp\/out": it is a symlink/],
    ["a file", "echo x > out", /"\/tmp\/out": it is no directory/],
    ["a FIFO", "mkfifo out", /"\/tmp\/out": it is no directory/],
    ["nothing", "true", /"\/tmp\/out": there is no such directory/],
    ["an empty directory", "mkdir -p out", /"\/tmp\/out": it is empty/],
    ["a FIFO in a directory", "mkdir -p out/a && mkfifo out/a/pipe", /out.*a\/pipe.*FIFO|pipe/i],
    [
      "a socket in a directory",
      "mkdir -p out && python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('out/sock')\"",
      /sock/,
    ],
    ["a file that is larger than 4 GiB", "mkdir -p out && truncate -s 5G out/big", /big/],
    [
      "files that are larger than 16 GiB together",
      "mkdir -p out && for i in 1 2 3 4 5; do truncate -s 4G out/$i; done",
      /exceeds|more than|larger/,
    ],
    [
      "directories that are deeper than 128",
      "mkdir -p out && cd out && for i in {1..140}; do mkdir d && cd d; done; echo x > f",
      /deep|128/,
    ],
    [
      "a path that is longer than 3 KiB",
      "mkdir -p out && cd out && n=$(printf 'n%.0s' {1..200}) && for i in {1..17}; do mkdir $n && cd $n; done; echo x > f",
      /long|path/,
    ],
  ])("cannot capture %s, and is told why", async (_what, command, reason) => {
    const answer = await capture(`rm -rf out; ${command}`, "/tmp/out");
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: false, error_type: "validation" });
    expect(answer.message).toMatch(/^Cannot capture "\/tmp\/out": /);
    expect(answer.message).toMatch(reason);
    expect(answer.captured_layers).toEqual([]);
    expectUntouched(host);
  });

  it.each([
    ["outside of what it can write", ["/etc"], /"\/etc" must be below/],
    ["in another directory for layers", ["/opt/x"], /must be below \/tmp or \/workspace/],
    ["that is all of /tmp", ["/tmp"], /"\/tmp" must be below/],
    ["with ..", ["/tmp/../etc"], /must be normalised/],
    ["with .. further inside", ["/tmp/a/../../etc"], /must be normalised/],
    ["with a slash at its end", ["/tmp/out/"], /must be normalised/],
    ["that is relative", ["out"], /must be absolute/],
    ["with a control character", ["/tmp/a\nb"], /control characters/],
    ["inside another one", ["/tmp/a", "/tmp/a/b"], /"\/tmp\/a\/b" lies inside "\/tmp\/a"/],
    ["that is given twice", ["/tmp/a", "/tmp/a"], /lies inside/],
    ["beside 16 others", Array.from({ length: 17 }, (_, n) => `/tmp/p${n}`), /16/],
    [
      "that an artifact is to have in the system",
      [{ path: "/tmp/a", mount_as: "/usr/lib" }],
      /must be below/,
    ],
    ["that an artifact is to have over its root", [{ path: "/tmp/a", mount_as: "/" }], /must be/],
  ])("cannot capture a path %s: nothing is run", async (_what, paths, reason) => {
    const answer = await capture("echo ran > /tmp/ran", ...paths);
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: false, error_type: "validation" });
    expect(answer.message).toMatch(reason);
    const look = await run.call("sandbox_exec", { command: "ls /tmp/ran" });
    expect(look).toMatchObject({ ok: false, stdout: "" });
  });

  it("captures no directory of the host through links on the way, and keeps links as links", async () => {
    const through = await capture(`rm -rf way; ln -s ${canary} way`, "/tmp/way/out");
    expect(through).toMatchObject({ ok: false });
    expect(through.message).toContain("a link is on the way to it");
    expectUntouched(host);
    const kept = await capture(
      `mkdir -p out && ln -s ${canary} out/dir && ln -s ${canary}/word out/file && ln -s ../../../etc out/up`,
      "/tmp/out",
    );
    expect(kept, JSON.stringify(kept)).toMatchObject({ ok: true });
    const [layer] = kept.captured_layers as CapturedLayer[];
    expect(await clientOf(host.gateway).layers.verify(layer?.layer_id ?? "")).toEqual({ ok: true });
    const inside = await run.call("sandbox_exec", {
      command: "readlink out/dir out/file out/up; cat out/file out/dir/word",
    });
    expect(inside.stdout).toBe(`${canary}\n${canary}/word\n../../../etc\n`);
    expectUntouched(host);
  });

  it("is served what it captured read-only from then on, with nothing of its owner or modes", async () => {
    const deps = await captureFiles(run, { path: "/tmp/modes" }, { "a/b": "x", c: "y" });
    expect(deps.file_count).toBe(2);
    const seen = await run.call("sandbox_exec", {
      command:
        "find modes -type f -printf '%m ' -o -printf '%m '; touch modes/new 2>&1; rm -rf modes 2>/dev/null; cat modes/a/b",
    });
    expect(seen.stdout).toMatch(/^(555 |444 )+touch: .*Read-only file system\nx$/);
  });

  it("mounts no layer over a link that it has laid in the layer's place", async () => {
    const own = await host.open({ hosts: null });
    await captureFiles(own, { path: "/tmp/way/deps" }, { word: "layer" });
    // While all of /tmp/way is captured the layer is not mounted; a command that fails leaves what it made.
    const laid = await own.call("sandbox_exec", {
      command: `mkdir -p way && rm -rf way/deps && ln -s ${canary} way/deps && exit 1`,
      capture_paths: [{ path: "/tmp/way" }],
    });
    expect(laid).toMatchObject({ ok: false, exit_code: 1 });
    const refused = await own.call("sandbox_exec", { command: "ls way/deps" });
    expect(refused).toMatchObject({ ok: false });
    expect(refused.message).toContain("/tmp/way/deps");
    expectUntouched(host);
    const mended = await own.call("sandbox_exec", {
      ...{ command: "mkdir -p way && echo x > way/x", capture_paths: [{ path: "/tmp/way" }] },
    });
    expect(mended, JSON.stringify(mended)).toMatchObject({ ok: true });
    expect(await own.end()).toMatchObject({ status: "succeeded", cleanup_status: "succeeded" });
  });

  it(
    "gains nothing by swapping what is captured with a link, as long as it can",
    async () => {
      // Left behind in a session of its own, it swaps until it is ended, and counts how often it did.
      const swap = `while :; do mv out real; ln -s ${canary} out; rm out; mv real out; echo >> swaps; done`;
      const command = `wc -l < swaps; : > swaps; rm -rf out real; mkdir out && echo own > out/own && (setsid sh -c '${swap}' >/dev/null 2>&1 &) && sleep 0.05`;
      const until = performance.now() + raceMs;
      // The control: it goes on until it really has swapped.
      let [rounds, swaps] = [0, 0];
      let own = await host.open({ hosts: null });
      while (performance.now() < until || Math.min(rounds, swaps) <= 3) {
        if (rounds % 40 === 39) {
          await own.end();
          own = await host.open({ hosts: null });
        }
        const answer = await own.call("sandbox_exec", {
          ...{ command: `${command}; : ${rounds}`, capture_paths: [{ path: "/tmp/out" }] },
        });
        const [layer] = (answer.captured_layers ?? []) as CapturedLayer[];
        if (layer === undefined) {
          expect(answer.message).toMatch(/it is a symlink|there is no such directory/);
        } else expect([layer.file_count, layer.size_bytes]).toEqual([1, 4]);
        expectUntouched(host);
        swaps += Number(answer.stdout);
        rounds += 1;
        // What goes well in between keeps the run from being ended for going round in circles.
        await own.call("content_write", { name: "round", content: String(rounds) });
      }
      await own.end();
    },
    raceMs + 30_000,
  );
});
