import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { writeImageLayer } from "./image-layer.ts";
import { entriesOf, type Node, plant } from "./trees.testing.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-image-"));
  mkdirSync(join(dir, "tree"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = (text: string): Node => ({ type: "file", bytes: Buffer.from(text), executable: true });
const sha256 = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function written(compression: "gzip" | "zstd", prefix: string) {
  const pieces: Buffer[] = [];
  const tree = join(dir, "tree");
  const options = { compression, prefix };
  const write = (piece: Buffer) => void pieces.push(piece);
  const layer = await writeImageLayer(tree, entriesOf(tree), write, options);
  return { layer, bytes: Buffer.concat(pieces) };
}

it.each([
  ["gzip", gunzipSync],
  ["zstd", zstdDecompressSync],
] as const)(
  "a layer of an image with %s says what it is, and is the same each time",
  async (compression, expand) => {
    const names = new Map([
      ["bin", { type: "directory", names: new Map([["tool", file("#!/bin/sh")]]) }],
    ] as const);
    plant(Buffer.from(join(dir, "tree")), names as Map<string, Node>);
    const { layer, bytes } = await written(compression, "opt/venv");
    expect(layer).toEqual({
      mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
      digest: sha256(bytes),
      bytes: bytes.length,
      diffId: sha256(expand(bytes)),
    });
    expect((await written(compression, "opt/venv")).bytes.equals(bytes)).toBe(true);
    writeFileSync(join(dir, "layer.tar"), expand(bytes));
    const listed = execFileSync("tar", ["-tvf", join(dir, "layer.tar")], { encoding: "utf8" });
    expect(
      listed
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/).filter((_, i) => [0, 1, 5].includes(i))),
    ).toEqual([
      ["drwxr-xr-x", "0/0", "opt"],
      ["drwxr-xr-x", "0/0", "opt/venv"],
      ["drwxr-xr-x", "0/0", "opt/venv/bin"],
      ["-rwxr-xr-x", "0/0", "opt/venv/bin/tool"],
    ]);
  },
);

it("a name that would delete another file of the image is refused", async () => {
  plant(Buffer.from(join(dir, "tree")), new Map([[".wh.passwd", file("")]]));
  await expect(written("gzip", "etc")).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining(".wh.passwd"),
  });
});
