import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { refuseInside } from "./inside.ts";

const root = resolve(import.meta.dirname, "../..");

describe("the inside of a run", () => {
  it("is where the manifest is, and where it cannot be said that it is not", async () => {
    const dir = await tempDir("inside");
    const at = (name: string) => join(dir, name);
    expect(() => refuseInside(at("none.json"))).not.toThrow();
    writeFileSync(at("file"), "");
    expect(() => refuseInside(at("file/index.json"))).not.toThrow();
    const refused = /This command is for the host, and this is the inside of a run/;
    writeFileSync(at("index.json"), "{}");
    expect(() => refuseInside(at("index.json"))).toThrow(refused);
    // Any error but "there is none": a loop, a name that is too long, a directory that may not be searched.
    symlinkSync("loop", at("loop"));
    expect(() => refuseInside(at("loop"))).toThrow(/ELOOP/);
    expect(() => refuseInside(at("x".repeat(300)))).toThrow(/ENAMETOOLONG/);
    mkdirSync(at("shut"));
    chmodSync(at("shut"), 0);
    const closed = () => refuseInside(at("shut/index.json"));
    // Root may search every directory.
    if (process.getuid?.() === 0) expect(closed).not.toThrow();
    else expect(closed).toThrow(/EACCES/);
  });

  it("has no verb of the host: the program refuses all, the help too, in a real sandbox", () => {
    const bwrap = (manifest: boolean, argv: string[]) =>
      spawnSync(
        "bwrap",
        [
          ...["--tmpfs", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all"],
          ...["/usr", "/bin", "/lib", "/lib64", "/etc", root].flatMap((path) =>
            existsSync(path) ? ["--ro-bind", path, path] : [],
          ),
          ...(manifest ? ["--ro-bind", join(root, "package.json"), "/airlock/index.json"] : []),
          ...["--setenv", "AIRLOCK_TOKEN", "t", "--setenv", "AIRLOCK_URL", "http://127.0.0.1:9"],
          ...["--", join(root, "bin/airlock"), ...argv],
        ],
        { encoding: "utf8" },
      );
    const outside = bwrap(false, ["version"]);
    expect(outside).toMatchObject({ status: 0, stdout: expect.stringContaining("airlock ") });
    for (const argv of [["version"], ["list"], ["run", "x"], ["serve"], ["--help"], ["proxy"]]) {
      const { status, stdout, stderr } = bwrap(true, argv);
      expect([argv, status, stdout]).toEqual([argv, 2, ""]);
      expect(stderr).toContain("this is the inside of a run (/airlock/index.json is there)");
      expect(stderr).toContain("/airlock/airlock --help");
    }
  });
});
