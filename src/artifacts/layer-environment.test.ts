import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layerEnvironment } from "./layer-environment.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-environment-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

let trees = 0;
/** A tree with these files and, with a slash at their ends, directories. */
function treeOf(...paths: string[]): string {
  const tree = join(dir, String(trees++));
  for (const path of paths) {
    const whole = join(tree, path);
    mkdirSync(path.endsWith("/") ? whole : dirname(whole), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(whole, "");
  }
  return tree;
}

const nothing = { PATH: [], PYTHONPATH: [], NODE_PATH: [], variables: {} };
const of = (tree: string, mount_path = "/opt/it", mount_as: string | null = null) =>
  layerEnvironment([{ tree, mount_path, mount_as }]);

describe("what layers add to the environment", () => {
  it.each<[string, string[], object]>([
    ["pip --target", ["requests-2.0.dist-info/METADATA"], { PYTHONPATH: ["/opt/it"] }],
    [
      "a prefix of Python",
      ["bin/tool", "lib/python3.11/site-packages/x.py", "lib/python3.11/x", "lib/other/"],
      { PATH: ["/opt/it/bin"], PYTHONPATH: ["/opt/it/lib/python3.11/site-packages"] },
    ],
    [
      "npm, with the modules as the layer",
      [".package-lock.json", "left-pad/index.js", ".bin/tool"],
      { NODE_PATH: ["/opt/it"], PATH: ["/opt/it/.bin"] },
    ],
    [
      "npm, with the modules in the layer",
      ["package.json", "node_modules/.bin/tool"],
      { NODE_PATH: ["/opt/it/node_modules"], PATH: ["/opt/it/node_modules/.bin"] },
    ],
    [
      "Go's modules",
      ["cache/download/rsc.io/quote/@v/list"],
      {
        variables: {
          ...{ GOMODCACHE: "/opt/it", GOPROXY: "off", GOSUMDB: "off", GOFLAGS: "-mod=mod" },
        },
      },
    ],
    [
      "cargo's registry",
      ["cache/x/itoa.crate", "index/x/config.json"],
      { variables: { CARGO_NET_OFFLINE: "true" } },
    ],
    ["nothing that is known", ["data.csv", "lib/libx.so", "cache/x"], {}],
  ])("of %s", (_, paths, added) => {
    expect(of(treeOf(...paths))).toEqual({ ...nothing, ...added });
  });

  it("goes by the name of either place", () => {
    const tree = treeOf("left-pad/index.js");
    expect(of(tree)).toEqual(nothing);
    for (const [path, as] of [
      ["/tmp/node_modules", null],
      ["/opt/app", "/tmp/node_modules"],
    ] as const) {
      expect(of(tree, path, as)).toEqual({ ...nothing, NODE_PATH: [path] });
    }
  });

  it("is that of all of them, in their order", () => {
    const found = layerEnvironment([
      { tree: treeOf("a.dist-info/", "bin/"), mount_path: "/opt/a", mount_as: null },
      { tree: treeOf("b.dist-info/", "bin/"), mount_path: "/opt/b", mount_as: null },
    ]);
    const both = ["/opt/a", "/opt/b"];
    expect(found).toEqual({ ...nothing, PYTHONPATH: both, PATH: both.map((at) => `${at}/bin`) });
  });

  it("looks through no link, wherever it leads", () => {
    const outside = treeOf("python3.11/site-packages/", "download/x", ".bin/");
    const tree = treeOf("x");
    for (const name of ["lib", "cache", "node_modules"]) symlinkSync(outside, join(tree, name));
    expect(of(tree)).toEqual({ ...nothing, NODE_PATH: ["/opt/it/node_modules"] });
    const loop = treeOf("x");
    symlinkSync(".", join(loop, "lib"));
    symlinkSync("cache", join(loop, "cache"));
    expect(of(loop)).toEqual(nothing);
  });
});
