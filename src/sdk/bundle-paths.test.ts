/** Bundles of what is on the disk: which files are meant, and what they are called. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { AgentsMd, File, Skill } from "./sdk.ts";

const root = mkdtempSync(join(tmpdir(), "airlock-bundle-paths-"));
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
/** A directory with these files, by their paths. */
function folder(files: Record<string, string>, name = `folder-${made++}`): string {
  const dir = join(root, name);
  mkdirSync(dir, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

const same = async (dir: string, files: Parameters<typeof Skill.fromFiles>[0]["files"]) => {
  const read = await Skill.fromPath(dir, { name: "rules" });
  const built = await Skill.fromFiles({ name: "rules", files });
  return expect(read.contentHash).toBe(built.contentHash);
};

describe("a skill of a directory", () => {
  it("is what its files are, below one another, hidden ones too, with their executable bits", async () => {
    const dir = folder({ "SKILL.md": "# hi", "a/b/run.sh": "echo", ".config/x": "y", empty: "" });
    chmodSync(join(dir, "a/b/run.sh"), 0o700);
    chmodSync(join(dir, "SKILL.md"), 0o600);
    await same(dir, {
      "SKILL.md": "# hi",
      "a/b/run.sh": { content: "echo", executable: true },
      ".config/x": "y",
      empty: "",
    });
    await same(`${dir}/`, {
      "SKILL.md": "# hi",
      "a/b/run.sh": { content: "echo", executable: true },
      ".config/x": "y",
      empty: "",
    });
  });

  it("has nothing of what links lead to, of pipes, and of what belongs to tools", async () => {
    const dir = folder({
      "SKILL.md": "# hi",
      ".git/config": "x",
      "sub/.git": "gitdir: elsewhere",
      ".DS_Store": "x",
      "node_modules/left-pad/index.js": "x",
      "sub/__pycache__/a.pyc": "x",
      "sub/kept.txt": "x",
    });
    writeFileSync(join(root, "secret"), "canary");
    symlinkSync(join(root, "secret"), join(dir, "link"));
    symlinkSync(root, join(dir, "linked-dir"));
    symlinkSync(dir, join(dir, "loop"));
    execFileSync("mkfifo", [join(dir, "pipe")]);
    await same(dir, { "SKILL.md": "# hi", "sub/kept.txt": "x" });
  });

  it("has its name, unless another one is given", async () => {
    const dir = folder({ "SKILL.md": "# hi" }, "My Résumé v2.0");
    expect((await Skill.fromPath(dir)).name).toBe("my-resume-v2-0");
    expect((await Skill.fromPath(dir, { name: "other" })).name).toBe("other");
    const nameless = folder({ "SKILL.md": "# hi" }, "日本");
    await expect(Skill.fromPath(nameless)).rejects.toThrow(/no name can be made of .*give one/);
  });

  it("is not there: that is told with the path", async () => {
    const missing = Skill.fromPath(join(root, "missing"), { name: "rules" });
    await expect(missing).rejects.toMatchObject({ code: "file_unreadable" });
    await expect(missing).rejects.toThrow(/Skill\.fromPath: cannot read ".*missing": ENOENT/);
    const file = Skill.fromPath(join(folder({ x: "x" }), "x"), { name: "rules" });
    await expect(file).rejects.toThrow(/ENOTDIR/);
  });

  it("is refused before it is read when it has too many files or bytes", async () => {
    const many = Array.from({ length: 1001 }, (_, index) => [`f${index}`, ""]);
    const crowded = folder({ "SKILL.md": "# hi", ...Object.fromEntries(many) });
    await expect(Skill.fromPath(crowded, { name: "rules" })).rejects.toThrow(
      /more than 1000 files/,
    );
    const large = folder({ "SKILL.md": "# hi", huge: "" });
    // Nothing is on the disk: to read it would take a gigabyte of memory.
    truncateSync(join(large, "huge"), 2 ** 30);
    const error = await Skill.fromPath(large, { name: "rules" }).catch((reason) => reason);
    expect(error).toMatchObject({ name: "SkillBundleValidationError" });
    expect(error.message).toMatch(/more than 52428800 bytes, with ".*"/);
  });
});

describe("a file", () => {
  it("has the name of its path, without what a name cannot have, the same on every machine", async () => {
    const dir = folder({ "Q3 Report (final).tar.gz": "x", ".env": "x", "DATA_2026.csv": "x" });
    const names: [string, string][] = [
      ["Q3 Report (final).tar.gz", "q3-report-final-tar"],
      [".env", "env"],
      ["DATA_2026.csv", "data_2026"],
    ];
    for (const [path, name] of names) {
      expect((await File.fromPath(join(dir, path))).name).toBe(name);
    }
    // Composed and decomposed: what one system lists is not what another one does.
    const composed = folder({ "r\u00e9sum\u00e9.txt": "x", "re\u0301sume\u0301.md": "x" });
    expect((await File.fromPath(join(composed, "r\u00e9sum\u00e9.txt"))).name).toBe("resume");
    expect((await File.fromPath(join(composed, "re\u0301sume\u0301.md"))).name).toBe("resume");
  });

  it("is in its bundle under its own name; a directory is what is below it", async () => {
    const dir = folder({ "data.csv": "a,b", "sub/x.txt": "x" });
    const one = await File.fromPath(join(dir, "data.csv"), { mountPath: "/workspace/in" });
    const built = { name: "data", bytes: "a,b", filename: "data.csv" };
    expect(one.contentHash).toBe((await File.fromBytes(built)).contentHash);
    expect([one.mountPath, one.ref.kind]).toEqual(["/workspace/in", "transient"]);
    const all = await File.fromPath(dir, { name: "all" });
    await same(folder({ "SKILL.md": "x" }), { "SKILL.md": "x" });
    expect(all.contentHash).not.toBe(one.contentHash);
    const named = await File.fromBytes({ name: "data", bytes: "a,b" });
    expect(named.contentHash).toBe(
      (await File.fromBytes({ ...built, filename: "data" })).contentHash,
    );
  });

  it("that is empty, a pipe, or a directory without files is refused", async () => {
    const dir = folder({ empty: "" });
    execFileSync("mkfifo", [join(dir, "pipe")]);
    await expect(File.fromPath(join(dir, "empty"))).rejects.toThrow(/the file is empty/);
    await expect(File.fromPath(join(dir, "pipe"))).rejects.toThrow(/not a regular file/);
    await expect(File.fromPath("/dev/zero")).rejects.toThrow(/not a regular file/);
    await expect(File.fromPath(folder({}))).rejects.toThrow(/has no files/);
  });
});

describe("instructions of a file", () => {
  it("are its text, byte for byte", async () => {
    const text = "\ufeff# Rules\r\nBe helpful.\n";
    const dir = folder({ "AGENTS.md": text, "Team Rules.md": "# x" });
    const read = await AgentsMd.fromPath(join(dir, "AGENTS.md"));
    expect(read.name).toBe("agents");
    const built = await AgentsMd.fromContent(text, { name: "agents" });
    expect(read.contentHash).toBe(built.contentHash);
    expect((await AgentsMd.fromPath(join(dir, "Team Rules.md"))).name).toBe("team-rules");
  });

  it("are text: what is blank, or is not UTF-8, is refused", async () => {
    const dir = folder({ blank: " \n" });
    writeFileSync(join(dir, "latin"), Buffer.from([0x63, 0x61, 0x66, 0xe9]));
    await expect(AgentsMd.fromPath(join(dir, "blank"))).rejects.toThrow(/not blank/);
    await expect(AgentsMd.fromPath(join(dir, "latin"))).rejects.toThrow(/is not UTF-8 text/);
    await expect(AgentsMd.fromPath(dir, { name: "x" })).rejects.toThrow(/not a regular file/);
  });
});
