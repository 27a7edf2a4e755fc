import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normaliseOutputDir, OutputDirs } from "./output-dirs.ts";

const reasonFor = (dirs: unknown) => OutputDirs.safeParse(dirs).error?.issues[0]?.message;

describe("OutputDirs", () => {
  it("collapses slashes, drops the last one and what is there twice", () => {
    expect(
      OutputDirs.parse(["/workspace/outputs/", "/workspace/outputs", "//workspace///state"]),
    ).toEqual(["/workspace/outputs", "/workspace/state"]);
    expect(normaliseOutputDir("/")).toEqual({ dir: "/" });
  });

  it.each([
    [["relative/path"], "absolute UNIX path"],
    [["/workspace/../escape"], "'..'"],
    [["/workspace/./x"], "'.'"],
    [["/workspace/\0evil"], "NUL"],
    [["/workspace/a\nb"], "line break"],
    [[""], "non-empty"],
    [Array.from({ length: 33 }, (_, i) => `/workspace/${i}`), "max is 32"],
    [[`/${"a".repeat(520)}`], "exceeds 512 bytes"],
    [[`/workspace/${"é".repeat(255)}`], "exceeds 512 bytes"],
    [["/etc"], "below /workspace or /tmp"],
    [["/workspacex"], "below /workspace or /tmp"],
    [["/"], "below /workspace or /tmp"],
  ])("refuses %j and says why", (dirs, reason) => {
    expect(reasonFor(dirs)).toContain(reason);
  });

  it("names the entry that is wrong", () => {
    const issue = OutputDirs.safeParse(["/workspace/a", "b"]).error?.issues[0];
    expect(issue?.path).toEqual([1]);
  });

  it("gives a normal form that is its own normal form, absolute, and without a way out", () => {
    const part = fc.oneof(fc.constantFrom("", ".", "..", "workspace", "tmp"), fc.string());
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const result = normaliseOutputDir(`/${parts.join("/")}`);
        if ("reason" in result) return;
        expect(normaliseOutputDir(result.dir)).toEqual(result);
        expect(result.dir.startsWith("/")).toBe(true);
        expect(result.dir).not.toMatch(/\/\/|\/\.\.?(\/|$)|\0/);
      }),
    );
  });
});
