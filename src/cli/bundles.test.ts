import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { openTaker, type Taker } from "./submitted.testing.ts";

const id = "skl_01kadz3v6m5c0jx9s2qf8t7w4b";

let taker: Taker;
let dir: string;

beforeAll(async () => {
  taker = await openTaker();
});
afterAll(() => taker.close());
beforeEach(async () => {
  taker.arrived.length = 0;
  taker.refuse.clear();
  dir = await tempDir("cli-bundles");
});

async function skill(): Promise<string> {
  const path = join(dir, "report");
  await mkdir(path);
  await writeFile(join(path, "SKILL.md"), "# Report\n");
  return path;
}

describe("uploading", () => {
  it("sends a name and a bundle, and prints the id", async () => {
    const path = await skill();
    for (const argv of [[path], ["--from-path", path], [path, "--name", "house-style"]]) {
      taker.arrived.length = 0;
      const { code, out, err } = await taker.airlock(["skills", "upload", ...argv]);
      const name = argv.includes("--name") ? "house-style" : "report";
      expect([code, out]).toEqual([0, `${id}\n`]);
      expect(err).toContain(`${name}: 2 B in 1 file, sha256:`);
      const [sent] = taker.arrived;
      expect([sent?.method, sent?.path]).toEqual(["POST", "/api/skills"]);
      expect(sent?.parts.get("name")?.toString()).toBe(name);
      expect(sent?.parts.get("bundle")?.subarray(0, 4).toString("latin1")).toBe("PK\x03\x04");
    }
  });

  it("takes single files by their own names, with their permission to be executed", async () => {
    const path = await skill();
    const script = join(dir, "run.sh");
    await writeFile(script, "#!/bin/sh\n");
    await chmod(script, 0o755);
    const files = ["--file", join(path, "SKILL.md"), "--file", script];
    const { code } = await taker.airlock(["skills", "upload", "--name", "small", ...files]);
    expect(code).toBe(0);
    const zip = taker.arrived[0]?.parts.get("bundle")?.toString("latin1");
    expect(zip).toContain("SKILL.md");
    expect(zip).toContain("run.sh");
  });

  it("sends nothing that is there already when it is asked not to", async () => {
    const path = await skill();
    await taker.airlock(["skills", "upload", path, "--if-changed"]);
    expect(taker.arrived.map(({ method, path: at }) => [method, at])).toEqual([
      ["GET", "/api/skills/by-hash"],
      ["POST", "/api/skills"],
    ]);
  });

  it("is the same for instructions and files", async () => {
    await writeFile(join(dir, "AGENTS.md"), "Be kind\n");
    await writeFile(join(dir, "table.csv"), "1\n");
    const md = await taker.airlock(["agents-md", "upload", join(dir, "AGENTS.md")]);
    const file = await taker.airlock(["files", "upload", join(dir, "table.csv"), "--json"]);
    expect([md.code, file.code]).toEqual([0, 0]);
    expect(JSON.parse(file.out)).toMatchObject({ name: "table", fileCount: 1 });
    expect(taker.arrived.map(({ path }) => path)).toEqual(["/api/agentsmd", "/api/files"]);
    expect(taker.arrived.map(({ parts }) => parts.get("name")?.toString())).toEqual([
      "agents",
      "table",
    ]);
  });

  it("tells what the gateway says against it in the gateway's own words", async () => {
    const path = await skill();
    const message = "Bucket not found: skills-eu";
    taker.refuse.set("/api/skills", {
      status: 500,
      body: { error: { code: "internal", message } },
    });
    const { code, err } = await taker.airlock(["skills", "upload", path]);
    expect([code, err]).toEqual([1, expect.stringContaining(message)]);
    taker.refuse.set("/api/skills", { status: 400, body: { error: message } });
    expect((await taker.airlock(["skills", "upload", path])).err).toContain(message);
  });

  it("refuses what cannot be one before anything is sent", async () => {
    const path = await skill();
    await mkdir(join(dir, "empty"));
    await writeFile(join(dir, "SKILL.md"), "# other");
    const skillFile = join(path, "SKILL.md");
    const cases: [string[], RegExp][] = [
      [["skills", "upload"], /Nothing to upload: expected a directory with a SKILL\.md/],
      [["skills", "upload", path, "--from-path", path], /Give only one of a path, --from-path and/],
      [["skills", "upload", path, "--file", skillFile], /Give only one of/],
      [["skills", "upload", "--file", skillFile], /--file needs --name/],
      [
        ["skills", "upload", "--name", "a", "--file", skillFile, "--file", join(dir, "SKILL.md")],
        /two files are called "SKILL\.md"/,
      ],
      [["skills", "upload", join(dir, "empty")], /SKILL\.md|no files/],
      [["skills", "upload", path, "--name", "RulesPack"], /RulesPack/],
      [["agents-md", "upload"], /Nothing to upload: expected a text file/],
    ];
    for (const [argv, message] of cases) {
      const { code, out, err } = await taker.airlock(argv);
      expect(err).toMatch(message);
      expect([argv.join(" "), code, out]).toEqual([argv.join(" "), 2, ""]);
    }
    const missing = await taker.airlock(["files", "upload", join(dir, "nowhere")]);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("ENOENT")]);
    expect(taker.arrived).toEqual([]);
  });
});

describe("looking at what is there", () => {
  it("lists, shows and deletes, for people and for programs", async () => {
    const people = await taker.airlock(["skills", "list"]);
    expect(people.out).toBe(`${id}  one  2 B  1 file  2026-01-01 00:00:00\n`);
    const programs = await taker.airlock(["skills", "list", "--json"]);
    expect(JSON.parse(programs.out)).toMatchObject({ id, name: "one" });
    expect((await taker.airlock(["skills", "get", id])).out).toContain(`${id}  one\n  sha256:`);
    const gone = await taker.airlock(["skills", "delete", id, "--json"]);
    expect(JSON.parse(gone.out)).toEqual({ id, deleted: true });
    expect(taker.arrived.at(-1)).toMatchObject({ method: "DELETE", path: `/api/skills/${id}` });
  });

  it("saves the files as a zip", async () => {
    const body = { any: "bytes" };
    taker.refuse.set(`/api/skills/${id}/bundle`, { status: 200, body });
    const to = join(dir, "all.zip");
    const { code, out } = await taker.airlock(["skills", "get", id, "--out", to]);
    expect([code, out]).toEqual([0, `${to}  15 B\n`]);
    expect(JSON.parse(await readFile(to, "utf8"))).toEqual(body);
  });

  it("says that one was deleted as the gateway says it", async () => {
    const error = { code: "skill_deleted", message: `The skill ${id} was deleted` };
    taker.refuse.set(`/api/skills/${id}`, { status: 410, body: { error } });
    const { code, err } = await taker.airlock(["skills", "get", id]);
    expect([code, err]).toEqual([1, expect.stringContaining("was deleted")]);
  });
});
