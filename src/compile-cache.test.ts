import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { tempDirUntilExit } from "../test/support/temp-dir.ts";

const at = tempDirUntilExit("airlock-compiled-");
const module = join(import.meta.dirname, "compile-cache.ts");
let home: string;
let count = 0;
beforeEach(() => {
  home = join(at, String(count++));
  mkdirSync(home, { mode: 0o755 });
});

/** In a process of its own, as it is for a whole process. */
function kept(env: Record<string, string> = {}): string {
  const script = `const { keepCompiled } = await import(${JSON.stringify(module)});
    console.log(keepCompiled(${JSON.stringify(home)}) ?? "none");
    await import(${JSON.stringify(join(import.meta.dirname, "version.ts"))});`;
  const args = ["--input-type=module", "-e", script];
  return execFileSync(process.execPath, args, { env, encoding: "utf8" }).trim();
}
const cache = () => join(home, ".cache", "airlock", "compiled");

describe("what Node makes of our sources", () => {
  it("is kept below the home of the account, for nobody else", () => {
    expect(kept()).toContain(cache());
    expect(readdirSync(cache())).toHaveLength(1);

    const open = ["-perm", "/022", "-not", "-type", "l"];
    expect(execFileSync("find", [home, ...open], { encoding: "utf8" })).toBe("");
  });

  it("is not kept where somebody else could write what we would run", () => {
    const cases: (() => void)[] = [
      () => chmodSync(home, 0o777),
      () => {
        mkdirSync(join(home, ".cache"));
        chmodSync(join(home, ".cache"), 0o775);
      },
      () => {
        const other = join(at, `other-${count}`);
        mkdirSync(join(other, "airlock", "compiled"), { recursive: true });
        symlinkSync(other, join(home, ".cache"));
      },
    ];
    if (process.getuid?.() === 0) cases.push(() => chownSync(home, 12_345, 12_345));
    for (const prepare of cases) {
      home = join(at, String(count++));
      mkdirSync(home, { mode: 0o755 });
      prepare();
      expect(kept()).toBe("none");
    }
  });

  it("is not kept for an account without a home", () => {
    home = join(at, "nonexistent");
    expect(kept()).toBe("none");
    expect(existsSync(home)).toBe(false);
  });

  if (process.getuid?.() === 0) {
    it("is not kept for an account that the system has no entry of", () => {
      const script = `const { keepCompiled } = await import(${JSON.stringify(module)});
        console.log(keepCompiled() ?? "none");`;
      const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        ...{ uid: 54_321, gid: 54_321, cwd: "/", env: {}, encoding: "utf8" },
      });
      expect(said.trim()).toBe("none");
    });
  }

  it("is kept where its own variable says, or not at all", () => {
    const elsewhere = join(at, "elsewhere");
    expect(kept({ NODE_COMPILE_CACHE: elsewhere })).toContain(elsewhere);
    expect(kept({ NODE_DISABLE_COMPILE_CACHE: "1" })).toBe("none");
  });
});
