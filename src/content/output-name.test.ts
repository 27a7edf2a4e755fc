import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameOutputs, type PlacedOutput, safeName } from "./output-name.ts";

const file = (relative: string, dir = "/workspace/out"): PlacedOutput => ({
  path: `${dir}/${relative}`,
  relative,
  dir,
});
const namesOf = (files: PlacedOutput[], several = false, taken = new Map<string, string>()) => [
  ...nameOutputs(files, several, taken).values(),
];

describe("a safe name", () => {
  test.each([
    ["report.pdf", "report.pdf"],
    ["a/b/c.txt", "a/b/c.txt"],
    ["../../etc/passwd", "_/_/etc/passwd"],
    ["..", "_"],
    ["./a/./b", "a/b"],
    ["/etc/passwd", "etc/passwd"],
    ["///x", "x"],
    ["C:\\Windows\\x.dll", "Windows_x.dll"],
    ["c:/x", "x"],
    ["\\\\server\\share\\x", "server_share_x"],
    ["\\\\?\\C:\\x", "x"],
    ["a\\b", "a_b"],
    ["a:ads", "a_ads"],
    ['<>:"|?*', "_______"],
    ["a\0b\x1fc\x7fd\u0085e", "a_b_c_d_e"],
    ["line\r\nbreak", "line__break"],
    ["abc\u202etxt.exe", "abc_txt.exe"],
    ["zero\u200bwidth\ufeff", "zero_width_"],
    ["dot.", "dot"],
    ["space  ", "space"],
    ["mixed. . .", "mixed"],
    ["...", "_"],
    ["CON", "_CON"],
    ["nul.txt", "_nul.txt"],
    ["aux .h", "_aux .h"],
    ["Com1.log.gz", "_Com1.log.gz"],
    ["lpt³", "_lpt³"],
    ["PRN", "_PRN"],
    ["prn.", "_prn"],
    ["LPT9.tar.gz", "_LPT9.tar.gz"],
    ["a/COM9/b", "a/_COM9/b"],
    ["COM10", "COM10"],
    ["//server/share/x", "server/share/x"],
    ["\\\\?\\UNC\\server\\x", "__UNC_server_x"],
    ["D:/", "_"],
    ["a/../../b", "a/_/_/b"],
    ["..\\..\\x", ".._.._x"],
    [".. /x", "_/x"],
    ["a/ . /b", "a/_/b"],
    ["CONSOLE", "CONSOLE"],
    ["e\u0301.txt", "\u00e9.txt"],
    [".gitignore", ".gitignore"],
    ["-rf", "-rf"],
  ])("of %j is %j", (path, expected) => {
    expect(safeName(path)).toBe(expected);
  });

  test("keeps the extension of a segment that is too long, and cuts between characters", () => {
    expect(safeName(`${"a".repeat(300)}.tar`)).toBe(`${"a".repeat(251)}.tar`);
    expect(safeName(`${"😀".repeat(100)}.md`)).toBe(`${"😀".repeat(63)}.md`);
    expect(Buffer.byteLength(safeName(`x.${"y".repeat(300)}`))).toBe(255);
  });
});

describe("the names of outputs", () => {
  test("are paths below the one directory, or start with the directory's last segment", () => {
    expect(namesOf([file("a/b.txt")])).toEqual(["a/b.txt"]);
    const files = [file("b.txt", "/workspace/out"), file("b.txt", "/tmp/state")];
    expect(namesOf(files, true)).toEqual(["out/b.txt", "state/b.txt"]);
  });

  test("differ in more than case, composition or what was replaced", () => {
    const names = namesOf([
      file("A.txt"),
      file("a.txt"),
      file("x?"),
      file("x*"),
      file("ß"),
      file("SS"),
    ]);
    expect(names[0]).toBe("A.txt");
    expect(names[1]).toMatch(/^a-[0-9a-f]{6}\.txt$/);
    expect(names[2]).toBe("x_");
    expect(names[3]).toMatch(/^x_-[0-9a-f]{6}$/);
    expect(names[5]).toMatch(/^SS-[0-9a-f]{6}$/);
  });

  test("are never a file where another name needs a directory", () => {
    const files = ["DIR/f", "dir", "x_", "x?/f", "x?/g"].map((relative) => file(relative));
    const names = namesOf(files);
    expect(names[1]).toMatch(/^dir-[0-9a-f]{6}$/);
    expect(names[3]).toMatch(/^x_-[0-9a-f]{6}\/f$/);
    expect(names[4]).toBe(names[3]?.replace(/f$/, "g"));
  });

  test("stay what they were when other files appear", () => {
    const first = nameOutputs([file("b.txt")], false, new Map());
    const second = nameOutputs([file("B.txt"), file("b.txt")], false, first);
    expect(second.get("/workspace/out/b.txt")).toBe("b.txt");
    expect(second.get("/workspace/out/B.txt")).toMatch(/^B-[0-9a-f]{6}\.txt$/);
  });

  const segment = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
    fc.constantFrom("..", ".", "CON", "a", "A", "a-", "é", "e\u0301", "x.", "x?", "x".repeat(300)),
  );
  const relative = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join("/"));

  test("are safe, unique and the same every time, whatever the paths are", () => {
    fc.assert(
      fc.property(fc.uniqueArray(relative, { maxLength: 12 }), fc.boolean(), (paths, several) => {
        const files = paths.map((path) => file(path));
        const names = namesOf(files, several);
        expect(names.length).toBe(files.length);
        const folded = new Set(names.map((name) => name.normalize("NFC").toLowerCase()));
        expect(folded.size).toBe(names.length);
        for (const name of names) expectSafe(name);
        for (const name of folded) {
          const above = name.split("/").slice(0, -1);
          for (let depth = 1; depth <= above.length; depth++) {
            expect(folded.has(above.slice(0, depth).join("/"))).toBe(false);
          }
        }
        expect(namesOf(files, several)).toEqual(names);
        expect(namesOf(files, several, nameOutputs(files, several, new Map()))).toEqual(names);
      }),
      { numRuns: 1_000 },
    );
  });
});

function expectSafe(name: string): void {
  expect(name.isWellFormed() && name === name.normalize("NFC")).toBe(true);
  for (const part of name.split("/")) {
    expect(part).not.toMatch(/^$|^\.\.?$|[. ]$|[\0-\x1f\x7f<>:"|?*\\\u202a-\u202e\u2066-\u2069]/);
    expect(part).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
    expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
  }
}
