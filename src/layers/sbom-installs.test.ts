/** SBOMs of trees that the real installers made: they decide what an installed tree looks like. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { digestOf, writeManifest } from "./manifest.ts";
import { sbomOf } from "./sbom.ts";
import { entriesOf } from "./trees.testing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-install-"));
  mkdirSync(join(dir, "project"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const places = (process.env.PATH ?? "").split(":");
const has = (tool: string) => places.some((place) => existsSync(join(place, tool)));

/** Runs an installer in the project. Its own words go to the failure: they name the registry it did not reach. */
function install(command: string, args: string[], env: Record<string, string> = {}): void {
  execFileSync(command, args, {
    cwd: join(dir, "project"),
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
}

async function purls(tree: string) {
  const entries = entriesOf(join(dir, tree));
  const sbom = await sbomOf(join(dir, tree), entries, digestOf(writeManifest(entries)));
  expect(sbom.properties).toEqual([{ name: "airlock:unreadable", value: "0" }]);
  return sbom.components.filter(({ scope }) => scope === "required").map(({ purl }) => purl);
}

it.runIf(has("pip"))("pip install --target", { timeout: 90_000 }, async () => {
  install("pip", ["install", "-q", "--target", join(dir, "tree"), "six==1.17.0"]);
  expect(await purls("tree")).toEqual(["pkg:pypi/six@1.17.0"]);
});

it("npm install, scopes and nested packages too", { timeout: 90_000 }, async () => {
  writeFileSync(join(dir, "project/package.json"), '{"private":true}');
  const wanted = ["@types/ms@2.1.0", "ms@2.1.3", "debug@2.6.9"];
  const npm = join(import.meta.dirname, "../../node_modules/npm/bin/npm-cli.js");
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"];
  install(process.execPath, [npm, "install", ...quiet, ...wanted]);
  const expected = ["%40types/ms@2.1.0", "debug@2.6.9", "ms@2.0.0", "ms@2.1.3"];
  expect(await purls("project")).toEqual(expected.map((name) => `pkg:npm/${name}`));
  expect(await purls("project/node_modules")).toEqual(expected.map((name) => `pkg:npm/${name}`));
});

it.runIf(has("go"))("go mod download", { timeout: 90_000 }, async () => {
  const module = "module example\n\ngo 1.20\n\nrequire github.com/BurntSushi/toml v1.3.2\n";
  writeFileSync(join(dir, "project/go.mod"), module);
  const env = { GOMODCACHE: join(dir, "tree"), GOFLAGS: "-mod=mod -modcacherw", GOWORK: "off" };
  install("go", ["mod", "download"], env);
  expect(await purls("tree")).toEqual(["pkg:golang/github.com/burntsushi/toml@v1.3.2"]);
});

it.runIf(has("cargo"))("cargo fetch", { timeout: 90_000 }, async () => {
  mkdirSync(join(dir, "project/src"));
  writeFileSync(join(dir, "project/src/lib.rs"), "");
  const head = '[package]\nname = "example"\nversion = "0.1.0"\nedition = "2021"\n';
  writeFileSync(join(dir, "project/Cargo.toml"), `${head}[dependencies]\nitoa = "=1.0.11"\n`);
  install("cargo", ["fetch"], { CARGO_HOME: join(dir, "home") });
  expect(await purls("home/registry")).toEqual(["pkg:cargo/itoa@1.0.11"]);
});
