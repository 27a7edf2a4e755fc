/** `airlock layers` and `airlock artifacts`, as a person and as a program use them. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../src/cli/cli.ts";
import type { Artifact, Layer } from "../src/sdk/sdk.ts";
import { clientOf } from "./support/airlock-api.ts";
import { archiveOf } from "./support/hostile-tar.ts";
import { readOciLayout } from "./support/oci-layout.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let gateway: StartedGateway;
let dir: string;
beforeAll(async () => {
  const env = { AIRLOCK_RATE_SUBMISSIONS: "10000", AIRLOCK_RATE_EXPORTS: "10000" };
  gateway = await startGateway({ env });
  dir = mkdtempSync(join(tmpdir(), "airlock-inventory-"));
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dir, { recursive: true });
});

/** One command, with stdout and stderr as pipes or as terminals. */
async function airlock(argv: string[], { tty = false, token = gateway.token } = {}) {
  const stdout = Object.assign(new PassThrough(), { isTTY: tty });
  const stderr = Object.assign(new PassThrough(), { isTTY: tty });
  const [out, err] = [text(stdout), text(stderr)];
  const code = await runCli(argv, {
    stdin: Readable.from([]),
    ...{ stdout, stderr },
    env: { AIRLOCK_TOKEN: token, AIRLOCK_URL: gateway.url },
    onSignal: () => () => undefined,
    exit: () => undefined,
  });
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}

async function json<T>(...argv: string[]): Promise<T> {
  const { code, out, err } = await airlock(["--json", ...argv]);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as T;
}

let files = 0;
/** A file of this test with a name that no other has. */
function fileOf(bytes: Buffer | string, ending: string): string {
  const path = join(dir, `${files++}${ending}`);
  writeFileSync(path, bytes);
  return path;
}

const archive = (content: string) =>
  fileOf(
    archiveOf([
      { name: "left-pad", type: "5" },
      { name: "left-pad/package.json", bytes: '{"name":"left-pad","version":"1.3.0"}' },
      { name: "left-pad/index.js", bytes: content.padEnd(200_000, " ") },
    ]),
    ".tar.zst",
  );

async function bring(content: string): Promise<Layer> {
  return json<Layer>("layers", "import", archive(content), "--name", "node_modules");
}

describe("airlock layers", () => {
  it("says things in words and human units to a person, without colours to a pipe", async () => {
    const { code, out, err } = await airlock([
      "layers",
      "import",
      archive("people"),
      "--name",
      "deps",
    ]);
    expect(code).toBe(0);
    const id = out.trim();
    expect(id).toMatch(/^layer_[0-9a-f]{32}$/);
    expect(err).toMatch(/^Imported deps: 195\.3 KiB in 2 files, sha256:[0-9a-f]{64}\n$/);
    const list = await airlock(["layers", "list"]);
    expect(list.out).toMatch(
      new RegExp(`^${id}  195\\.3 KiB  2 files  [-\\d]+ [:\\d]+  deps$`, "m"),
    );
    const show = await airlock(["layers", "show", id]);
    expect(show.out).toMatch(
      /^deps {2}layer_\w+\n {2}digest +sha256:\w+\n {2}size +195\.3 KiB in 2 files\n/,
    );
    expect(show.out).toContain("runs on    anything");
    expect(show.out).toContain("(imported)");
    const verify = await airlock(["layers", "verify", id]);
    expect(verify.out).toBe(`✓ ${id}: it is what its digest says\n`);
    const coloured = await airlock(["layers", "verify", id], { tty: true });
    expect(coloured.out).toContain("\x1b[32m✓\x1b[39m");
    expect(coloured.err).toContain(`reading ${id}`);
    expect([list, show, verify].map(({ out: plain }) => plain).join("")).not.toContain("\x1b");
    expect((await airlock(["layers", "sbom", id])).out).toBe("left-pad  1.3.0  npm\n");
  });

  it("gives programs one JSON object per line, and a layer that travels through files", async () => {
    const layer = await bring("programs");
    const lines = (await airlock(["--json", "layers", "list"])).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(layer);
    expect(await json("layers", "show", layer.digest)).toEqual(layer);
    expect(await json("layers", "verify", layer.id)).toEqual({ layer: layer.id, ok: true });
    expect(await json("layers", "sbom", layer.id)).toMatchObject({ bomFormat: "CycloneDX" });
    const sbom = join(dir, "sbom.json");
    await json("layers", "sbom", layer.id, "--out", sbom);
    expect(JSON.parse(readFileSync(sbom, "utf8"))).toMatchObject({ specVersion: "1.6" });
    const out = join(dir, "deps.tar.zst");
    const saved = await json<{ bytes: number }>("layers", "export", layer.digest, "--out", out);
    expect(saved).toEqual({ layer: layer.id, path: out, bytes: readFileSync(out).length });
    const back = ["layers", "import", out, "--name", "x", "--digest", layer.digest];
    expect(await json<Layer>(...back)).toMatchObject({ digest: layer.digest });
    expect(await json("layers", "delete", layer.id)).toEqual({ layer: layer.id, deleted: true });
  });

  it("ends with 1 for a layer that is damaged, and names the file", async () => {
    const layer = await bring("damaged");
    const tree = join(gateway.dataDir, "layers", layer.digest.slice(7), "tree");
    chmodSync(join(tree, "left-pad/index.js"), 0o644);
    writeFileSync(join(tree, "left-pad/index.js"), "other");
    const sound = await bring("sound");
    const { code, out } = await airlock(["layers", "verify", layer.id, sound.id]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ layer_\w+: .*left-pad\/index\.js/m);
    expect(out).toContain(`✓ ${sound.id}`);
  });

  it.each<[string, string[], number, RegExp]>([
    [
      "a layer that is not there",
      ["layers", "show", `layer_${"0".repeat(32)}`],
      1,
      /There is no layer "layer_0+"/,
    ],
    [
      "a file that is not there",
      ["layers", "import", "/nowhere.tar.zst"],
      1,
      /source: cannot read "\/nowhere/,
    ],
    [
      "a processor without its libc",
      ["layers", "import", "x", "--arch", "x64"],
      2,
      /--arch and --libc go together/,
    ],
    [
      "a Python without a processor",
      ["layers", "import", "x", "--python", "3.12"],
      2,
      /need --arch and --libc/,
    ],
  ])("says of %s what is wrong", async (_, argv, code, message) => {
    const { code: found, err } = await airlock(argv);
    expect([found, err]).toEqual([code, expect.stringMatching(message)]);
    const { err: told } = await airlock(["--json", ...argv]);
    expect(JSON.parse(told)).toMatchObject({ error: { message: expect.stringMatching(message) } });
  });
});

describe("airlock artifacts", () => {
  const program = () => fileOf("#!/usr/bin/env node\n", ".mjs");

  it("makes one of files and layers, shows it, and takes its ref out of force", async () => {
    const layer = await bring("artifact");
    const made = await airlock([
      ...["artifacts", "create", "--file", `${program()}=main.mjs`, "--entrypoint", "main.mjs"],
      ...["--layer", `${layer.id}=/opt/app/node_modules=/tmp/node_modules`, "--name", "pads"],
    ]);
    expect(made).toMatchObject({
      code: 0,
      err: expect.stringMatching(/^art_\w+: 1 file, 1 layer\n$/),
    });
    const ref = made.out.trim();
    expect(ref).toMatch(/^ar\.[0-9a-f]{24}$/);
    const show = await airlock(["artifacts", "show", ref]);
    expect(show.out).toMatch(/^pads {2}art_\w+\n/);
    expect(show.out).toContain("x  20 B  main.mjs");
    expect(show.out).toContain(
      `layer node_modules at /opt/app/node_modules and /tmp/node_modules: ${layer.digest}`,
    );
    expect((await airlock(["artifacts", "list"])).out).toContain("1 file (20 B)  1 layer");
    const inUse = await airlock(["layers", "delete", layer.id]);
    expect(inUse).toMatchObject({
      code: 1,
      err: expect.stringContaining("airlock artifacts list"),
    });
    const { artifact } = await json<{ artifact: Artifact }>("artifacts", "show", ref);
    expect(artifact).toMatchObject({ ref, entrypoints: ["main.mjs"], name: "pads" });
    expect(await json("artifacts", "revoke", ref)).toEqual({ ref, revoked: true });
    expect(await airlock(["artifacts", "show", ref])).toMatchObject({
      ...{ code: 1, err: expect.stringContaining(`There is no artifact "${ref}"`) },
    });
    expect((await airlock(["artifacts", "show", artifact.id])).out).toContain("none in force");
  });

  it("saves one as an image or a zip, and never half a file", async () => {
    const { id } = await json<Artifact>("artifacts", "create", "--file", `${program()}=main.mjs`);
    const image = join(dir, "image.tar");
    const saved = await json<object>("artifacts", "export", id, "--out", image);
    expect(saved).toMatchObject({ artifact: id, format: "oci", path: image });
    expect(readOciLayout(readFileSync(image)).layers).toHaveLength(1);
    const zip = join(dir, "it.zip");
    const words = await airlock(["artifacts", "export", id, "--format", "zip", "--out", zip]);
    expect(words.out).toMatch(/^\S+it\.zip {2}\d+ B\n$/);
    expect(execFileSync("python3", ["-m", "zipfile", "-l", zip], { encoding: "utf8" })).toContain(
      "files/main.mjs",
    );
    const gone = ["artifacts", "export", `art_${"0".repeat(32)}`, "--out", join(dir, "gone.tar")];
    expect((await airlock(gone)).code).toBe(1);
    expect(readdirSync(dir).filter((name) => name.startsWith("gone"))).toEqual([]);
  });

  it("prints names that a run chose without what a terminal would obey", async () => {
    const name = "\u202egnp.exe";
    const { id } = await json<Artifact>("artifacts", "create", "--file", `${program()}=${name}`);
    const { out } = await airlock(["artifacts", "show", id]);
    expect(out).toContain("\\u202egnp.exe");
    expect(out).not.toContain("\u202e");
  });

  it.each<[string, string[], RegExp]>([
    ["a kind that there is not", ["artifacts", "create", "--kind", "image"], /no kind "image"/],
    ["a layer without a place", ["artifacts", "create", "--layer", "layer_1"], /LAYER=PATH/],
    [
      "a format that there is not",
      ["artifacts", "export", "art_1", "--format", "tar"],
      /oci or zip/,
    ],
    [
      "a limit that there is not",
      ["artifacts", "exec", "ar.1", "x", "--limit", "speed=1"],
      /"speed"/,
    ],
  ])("refuses %s as used wrongly", async (_, argv, message) => {
    const { code, err } = await airlock(argv);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe("docs/cli.md", () => {
  it("names every command and every option of layers and artifacts, and no other", async () => {
    const document = readFileSync(new URL("../docs/cli.md", import.meta.url), "utf8");
    for (const group of ["layers", "artifacts"]) {
      const { out } = await airlock([group, "--help"]);
      const commands = [...out.matchAll(/^ {2}(\w+)\b.* {2}/gm)].map((match) => match[1] ?? "");
      const rows = [...document.matchAll(new RegExp(`^\\| \`${group} (\\w+)`, "gm"))];
      const known = commands.filter((name) => name !== "help").toSorted();
      expect(rows.map((row) => row[1]).toSorted()).toEqual(known);
      for (const name of known) {
        const help = (await airlock([group, name, "--help"])).out;
        const own = help.slice(0, help.indexOf("Global Options"));
        for (const [option] of own.matchAll(/^ {2}(--[a-z-]+)/gm)) {
          expect(document, `${group} ${name} ${option}`).toContain(option.trim());
        }
      }
    }
  });

  it("has a sister in docs/sdk.md that names every method of both", () => {
    const document = readFileSync(new URL("../docs/sdk.md", import.meta.url), "utf8");
    const { layers, artifacts } = clientOf(gateway);
    for (const [group, calls] of Object.entries({ layers, artifacts })) {
      const section = document.split(/^## /m).find((part) => part.toLowerCase().startsWith(group));
      for (const name of Object.keys(calls)) {
        expect(section, `${group}.${name}`).toMatch(new RegExp(`\\b${name}\\(`));
      }
    }
  });
});
