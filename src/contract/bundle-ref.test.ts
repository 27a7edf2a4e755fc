import fc from "fast-check";
import { expect, it } from "vitest";
import { mountProblem } from "../base/mount-path.ts";
import { FileRef } from "./bundle-ref.ts";

const parse = (mountPath: string) =>
  FileRef.safeParse({ kind: "workspace", id: "fil_abcdef", mountPath });

it.each([
  "/opt/a\tb",
  "/tmp/a\u001b",
  "/deps/a\u0085",
  "/opt/a\\b",
  "/workspace/\ud800",
  `/opt/${"é".repeat(128)}`,
])("a place at which nothing can be mounted is refused before the run is made: %j", (path) => {
  expect(mountProblem(path)).toBeDefined();
  const parsed = parse(path);
  expect(parsed.success).toBe(false);
  expect(parsed.error?.issues[0]?.path).toEqual(["mountPath"]);
});

it("whatever is taken as a place to mount at can be mounted at", () => {
  const segment = fc.oneof(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.constantFrom("..", ".", "", "a", "\ud800", "\\"),
  );
  const path = fc
    .tuple(fc.constantFrom("opt", "deps", "tmp", "workspace", "etc"), fc.array(segment))
    .map(([root, rest]) => `/${[root, ...rest].join("/")}`);
  fc.assert(
    fc.property(path, (given) => {
      const { data } = parse(given);
      if (data?.mountPath !== undefined) expect(mountProblem(data.mountPath)).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
});
