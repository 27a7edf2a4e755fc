import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf, writeManifest } from "./manifest.ts";
import { purl } from "./purl.ts";
import { sbomOf } from "./sbom.ts";
import { entriesOf } from "./trees.testing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-sbom-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
}

async function sbom() {
  const entries = entriesOf(dir);
  return sbomOf(dir, entries, digestOf(writeManifest(entries)));
}

async function found() {
  const { components, properties } = await sbom();
  return {
    purls: components.map((component) => component.purl),
    unreadable: Number(properties[0]?.value),
  };
}

const manifest = (name: string, version = "1.0.0") => JSON.stringify({ name, version });

describe("the SBOM of a layer", () => {
  it("names the layer and lists each package once, by package URL, without a time in it", async () => {
    write({
      "node_modules/zed/package.json": manifest("zed"),
      "node_modules/a/package.json": manifest("a"),
      "node_modules/zed/node_modules/a/package.json": manifest("a"),
      "node_modules/@s/b/package.json": manifest("@s/b", "2.0.0-rc.1+x"),
    });
    const one = await sbom();
    const digest = digestOf(writeManifest(entriesOf(dir)));
    expect(one).toEqual({
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      version: 1,
      metadata: {
        component: {
          type: "container",
          "bom-ref": digest,
          name: `layer_${digest.slice(7, 39)}`,
          version: digest,
          hashes: [{ alg: "SHA-256", content: digest.slice(7) }],
        },
      },
      components: [
        {
          type: "library",
          "bom-ref": "pkg:npm/%40s/b@2.0.0-rc.1%2Bx",
          group: "@s",
          name: "b",
          version: "2.0.0-rc.1+x",
          purl: "pkg:npm/%40s/b@2.0.0-rc.1%2Bx",
          scope: "required",
        },
        ...["a", "zed"].map((name) => ({
          type: "library",
          "bom-ref": `pkg:npm/${name}@1.0.0`,
          name,
          version: "1.0.0",
          purl: `pkg:npm/${name}@1.0.0`,
          scope: "required",
        })),
      ],
      properties: [{ name: "airlock:unreadable", value: "0" }],
    });
    expect(JSON.stringify(await sbom())).toBe(JSON.stringify(one));
  });

  it("knows Python distributions in both forms", async () => {
    write({
      "Zope_Thing-1.0.dist-info/METADATA":
        "Metadata-Version: 2.1\nName: Zope_Thing\r\nVersion: 1!1.0+local\n\nName: other\nVersion: 9\n",
      "lib/python3.13/site-packages/old.egg-info/PKG-INFO": "Name: old\nVersion: 0.1\n",
      "flat-2.egg-info": "Name: flat.pkg\nVersion: 2\n",
      "x.dist-info/RECORD": "Name: no\nVersion: 1\n",
    });
    expect(await found()).toEqual({
      purls: ["pkg:pypi/flat.pkg@2", "pkg:pypi/old@0.1", "pkg:pypi/zope-thing@1%211.0%2Blocal"],
      unreadable: 0,
    });
  });

  it("counts Node packages where packages lie, and no package.json inside of one", async () => {
    write({
      "node_modules/a/package.json": manifest("a"),
      "node_modules/a/esm/package.json": '{"type":"module"}',
      "node_modules/.pnpm/b@1.0.0/node_modules/b/package.json": manifest("b"),
      "node_modules/alias/package.json": manifest("real"),
      "package.json": manifest("project"),
    });
    expect(await found()).toEqual({
      purls: ["pkg:npm/a@1.0.0", "pkg:npm/b@1.0.0", "pkg:npm/real@1.0.0"],
      unreadable: 0,
    });
  });

  it("knows a layer that is a node_modules itself, and a Python package that only ships some JSON", async () => {
    write({
      "a/package.json": manifest("a"),
      "@s/b/package.json": manifest("@s/b"),
      "widgets/package.json": manifest("@other/name"),
      "broken/package.json": "{",
    });
    expect(await found()).toEqual({
      purls: ["pkg:npm/%40s/b@1.0.0", "pkg:npm/a@1.0.0"],
      unreadable: 0,
    });
    write({ ".package-lock.json": "{}" });
    expect(await found()).toEqual({
      purls: ["pkg:npm/%40other/name@1.0.0", "pkg:npm/%40s/b@1.0.0", "pkg:npm/a@1.0.0"],
      unreadable: 1,
    });
  });

  it("knows a Go module cache, with upper case spelled by marks", async () => {
    write({
      "cache/download/github.com/!burnt!sushi/toml/@v/v1.3.2.zip": "zip",
      "cache/download/github.com/!burnt!sushi/toml/@v/v1.3.2.info": "{}",
      "cache/download/golang.org/x/text/@v/v0.3.0.mod": "module golang.org/x/text",
      "cache/download/golang.org/x/text/@v/list": "",
      "cache/download/github.com/!bad/!1/@v/v1.0.0.zip": "",
      "gopkg.in/yaml.v3@v3.0.1/yaml.go": "package yaml",
      "github.com/docker/docker@v20.0.0+incompatible/a@v1/x": "",
    });
    const { components, properties } = await sbom();
    expect(components.map(({ name, purl: url, scope }) => [name, url, scope])).toEqual([
      ["github.com/BurntSushi/toml", "pkg:golang/github.com/burntsushi/toml@v1.3.2", "required"],
      [
        "github.com/docker/docker",
        "pkg:golang/github.com/docker/docker@v20.0.0%2Bincompatible",
        "required",
      ],
      ["golang.org/x/text", "pkg:golang/golang.org/x/text@v0.3.0", "excluded"],
      ["gopkg.in/yaml.v3", "pkg:golang/gopkg.in/yaml.v3@v3.0.1", "required"],
    ]);
    expect(properties[0]?.value).toBe("1");
  });

  it("knows a cargo registry, downloaded and unpacked", async () => {
    const registry = "index.crates.io-1949cf8c6b5b557f";
    write({
      [`cache/${registry}/itoa-1.0.11.crate`]: "crate",
      [`src/${registry}/itoa-1.0.11/Cargo.toml`]: "[package]",
      [`src/${registry}/sha-1-0.10.0-alpha.1+x/Cargo.toml`]: "[package]",
      [`src/${registry}/sha-1-0.10.0-alpha.1+x/sub/Cargo.toml`]: "[package]",
      [`cache/${registry}/nothing.crate`]: "crate",
    });
    expect(await found()).toEqual({
      purls: ["pkg:cargo/itoa@1.0.11", "pkg:cargo/sha-1@0.10.0-alpha.1%2Bx"],
      unreadable: 1,
    });
  });
});

describe("a hostile tree", () => {
  it("costs bounded reads, and what cannot be read is counted", async () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    write({
      "node_modules/good/package.json": manifest("good"),
      "node_modules/text/package.json": "no JSON",
      "node_modules/null/package.json": "null",
      "node_modules/bytes/package.json": Buffer.from([0x7b, 0xff, 0x7d]),
      "node_modules/line/package.json": manifest("line\nbreak"),
      "node_modules/version/package.json": manifest("version", "1.0.0\n"),
      "node_modules/long/package.json": manifest("n".repeat(513)),
      "node_modules/number/package.json": '{"name":"number","version":1}',
      "node_modules/deep/package.json": `{"name":"deep","version":"1.0.0","x":${deep}}`,
      "a.dist-info/METADATA": "Name: ../../x\nVersion: 1\n",
      "b.dist-info/METADATA": "Version: 1\n",
      "node_modules/huge/package.json": "",
    });
    const huge = join(dir, "node_modules/huge/package.json");
    const entries = entriesOf(dir).map((entry) =>
      entry.path.toString().includes("/huge/package") ? { ...entry, size: 2 ** 30 } : entry,
    );
    truncateSync(huge, 2 ** 30);
    const { components, properties } = await sbomOf(dir, entries, `sha256:${"0".repeat(64)}`);
    expect(components.map(({ name }) => name)).toEqual(["deep", "good"]);
    expect(properties).toEqual([{ name: "airlock:unreadable", value: "10" }]);
  });

  it("that is not what its manifest says has no SBOM", async () => {
    write({ "node_modules/a/package.json": manifest("a") });
    const entries = entriesOf(dir);
    write({ "node_modules/a/package.json": manifest("b") });
    await expect(sbomOf(dir, entries, `sha256:${"0".repeat(64)}`)).rejects.toMatchObject({
      code: "digest_mismatch",
    });
  });
});

describe("a package URL", () => {
  it.each([
    ["pypi", "Typing_Extensions", "4.0", "pkg:pypi/typing-extensions@4.0"],
    ["npm", "@Types/ms", "2.1.0", "pkg:npm/%40types/ms@2.1.0"],
    ["golang", "github.com/A/b", "v1.0.0", "pkg:golang/github.com/a/b@v1.0.0"],
    ["cargo", "Inflector", "0.11.4", "pkg:cargo/Inflector@0.11.4"],
  ] as const)("of %s spells %s at %s as %s", (ecosystem, name, version, url) => {
    expect(purl(ecosystem, name, version)).toBe(url);
  });
});
