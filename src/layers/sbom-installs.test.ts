/**
 * SBOMs of trees that the real installers made: they decide what an installed tree looks like. Where an installer is not
 * there or its registry cannot be reached, the test says so and goes on with the same tree made by hand.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it, type TestContext } from "vitest";
import { digestOf, writeManifest } from "./manifest.ts";
import { sbomOf } from "./sbom.ts";
import { entriesOf } from "./trees.testing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-install-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
}

interface Install {
  registry: string;
  project: Record<string, string>;
  command: string[];
  env?: Record<string, string>;
  /** What the installer leaves behind, as far as an SBOM looks at it. */
  byHand: Record<string, string>;
}

const unreachable =
  /ENOENT|spawnSync \S+ EACCES|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|dial tcp|resolve host|Max retries|No matching distribution|failed to download|i\/o timeout|Temporary failure|network/i;

/** Runs an installer in `project`; what else goes wrong than that it cannot be reached is a failure. */
async function install(context: TestContext, wanted: Install): Promise<void> {
  write({ "project/.keep": "", ...wanted.project });
  const [command = "", ...words] = wanted.command;
  const options = { cwd: join(dir, "project"), timeout: 60_000, encoding: "utf8" } as const;
  try {
    execFileSync(command, words, { ...options, env: { ...process.env, ...wanted.env } });
  } catch (error) {
    if (!unreachable.test(String(error))) throw error;
    await context.annotate(
      `${command} or ${wanted.registry} cannot be reached: ${error}`,
      "warning",
    );
    rmSync(dir, { recursive: true, force: true });
    write(wanted.byHand);
  }
}

async function purls(tree: string) {
  const entries = entriesOf(join(dir, tree));
  const sbom = await sbomOf(join(dir, tree), entries, digestOf(writeManifest(entries)));
  expect(sbom.properties).toEqual([{ name: "airlock:unreadable", value: "0" }]);
  return sbom.components.filter(({ scope }) => scope === "required").map(({ purl }) => purl);
}

const manifest = (name: string, version: string) => JSON.stringify({ name, version });

it("pip install --target", { timeout: 90_000 }, async (context) => {
  await install(context, {
    registry: "the Python package index",
    project: {},
    command: [
      "pip",
      "install",
      "-q",
      "--retries",
      "1",
      "--target",
      join(dir, "tree"),
      "six==1.17.0",
    ],
    byHand: { "tree/six-1.17.0.dist-info/METADATA": "Name: six\nVersion: 1.17.0\n\n" },
  });
  expect(await purls("tree")).toEqual(["pkg:pypi/six@1.17.0"]);
});

it("npm install, scopes and nested packages too", { timeout: 90_000 }, async (context) => {
  const npm = join(import.meta.dirname, "../../node_modules/npm/bin/npm-cli.js");
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"];
  await install(context, {
    registry: "the npm registry",
    project: { "project/package.json": '{"private":true}' },
    command: [
      process.execPath,
      npm,
      "install",
      ...quiet,
      "@types/ms@2.1.0",
      "ms@2.1.3",
      "debug@2.6.9",
    ],
    byHand: {
      "project/node_modules/.package-lock.json": "{}",
      "project/node_modules/@types/ms/package.json": manifest("@types/ms", "2.1.0"),
      "project/node_modules/ms/package.json": manifest("ms", "2.1.3"),
      "project/node_modules/debug/package.json": manifest("debug", "2.6.9"),
      "project/node_modules/debug/node_modules/ms/package.json": manifest("ms", "2.0.0"),
    },
  });
  const expected = ["%40types/ms@2.1.0", "debug@2.6.9", "ms@2.0.0", "ms@2.1.3"];
  expect(await purls("project")).toEqual(expected.map((name) => `pkg:npm/${name}`));
  expect(await purls("project/node_modules")).toEqual(expected.map((name) => `pkg:npm/${name}`));
});

it("go mod download", { timeout: 90_000 }, async (context) => {
  const require = "require github.com/BurntSushi/toml v1.3.2";
  await install(context, {
    registry: "the Go module proxy",
    project: { "project/go.mod": `module example\n\ngo 1.20\n\n${require}\n` },
    command: ["go", "mod", "download"],
    env: { GOMODCACHE: join(dir, "tree"), GOFLAGS: "-mod=mod -modcacherw", GOWORK: "off" },
    byHand: {
      "tree/cache/download/github.com/!burnt!sushi/toml/@v/v1.3.2.zip": "zip",
      "tree/github.com/!burnt!sushi/toml@v1.3.2/go.mod": "module",
    },
  });
  expect(await purls("tree")).toEqual(["pkg:golang/github.com/burntsushi/toml@v1.3.2"]);
});

it("cargo fetch", { timeout: 90_000 }, async (context) => {
  const head = '[package]\nname = "example"\nversion = "0.1.0"\nedition = "2021"\n';
  const registry = "index.crates.io-1949cf8c6b5b557f";
  await install(context, {
    registry: "crates.io",
    project: {
      "project/src/lib.rs": "",
      "project/Cargo.toml": `${head}[dependencies]\nitoa = "=1.0.11"\n`,
    },
    command: ["cargo", "fetch", "-q"],
    env: { CARGO_HOME: join(dir, "home"), CARGO_NET_RETRY: "0" },
    byHand: {
      [`home/registry/cache/${registry}/itoa-1.0.11.crate`]: "crate",
      [`home/registry/src/${registry}/itoa-1.0.11/Cargo.toml`]: "[package]",
    },
  });
  expect(await purls("home/registry")).toEqual(["pkg:cargo/itoa@1.0.11"]);
});
