/** The agents of a gateway, at the terminal. */
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { skillOf } from "../../test/support/agent-folder.ts";
import { openAgentRoom } from "../../test/support/agent-room.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { runCli } from "./cli.ts";

async function openDesk() {
  const room = await openAgentRoom();
  const { secret } = room.token({ scopes: ["runs", "admin"] });
  const env = { AIRLOCK_URL: room.url, AIRLOCK_TOKEN: secret, TERM: "dumb" };
  const dir = await tempDir("folder");

  async function airlock(...argv: string[]) {
    const said = { out: "", err: "" };
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    stdout.on("data", (chunk) => {
      said.out += chunk;
    });
    stderr.on("data", (chunk) => {
      said.err += chunk;
    });
    const code = await runCli(argv, {
      ...{ stdin: Readable.from([]), stdout, stderr, env },
      ...{ onSignal: () => () => undefined, exit: () => undefined },
    });
    return { code, ...said };
  }

  /** A folder with an agent, a script and what nobody means to install. */
  async function folder(name: string, instructions = "Do it.") {
    const at = join(dir, name);
    await mkdir(join(at, "scripts"), { recursive: true });
    await mkdir(join(at, "node_modules"), { recursive: true });
    await writeFile(join(at, "SKILL.md"), skillOf({ id: "my.agent", instructions }));
    await writeFile(join(at, "scripts/run.sh"), "#!/bin/sh\n");
    await chmod(join(at, "scripts/run.sh"), 0o755);
    await writeFile(join(at, ".env"), "KEY=x");
    await writeFile(join(at, "node_modules/x.js"), "x");
    return at;
  }

  return { airlock, folder, dir };
}

describe("agents at the terminal", () => {
  it("are installed from a folder, listed, shown, exported as they were, and deleted", async () => {
    const { airlock, folder, dir } = await openDesk();
    const at = await folder("mine", "Do it.\nSlowly.");
    const installed = await airlock("agents", "install", at);
    expect([installed.code, installed.err]).toEqual([0, ""]);
    expect(installed.out).toMatch(/^my\.agent {2}revision 1 {2}sha256:[0-9a-f]{12}\n$/);
    expect((await airlock("agents", "install", at)).out).toMatch(/was there already/);

    const list = await airlock("agents", "list");
    expect(list.out).toMatch(/^my\.agent +revision 1 +anthropic\/claude-sonnet-4-5 +An agent/m);
    expect(list.out).toMatch(/^planner\.default +comes with Airlock/m);
    const rows = (await airlock("agents", "list", "--json")).out.trim().split("\n");
    expect(rows.map((row) => JSON.parse(row).id)).toContain("my.agent");

    const shown = await airlock("agents", "show", "my.agent");
    expect(shown.out).toMatch(/may +ReadAccess \("self\.\*"\)/);
    expect(shown.out).toMatch(/x +10 B +scripts\/run\.sh/);
    expect(shown.out).toMatch(/Do it\.\n {2}Slowly\./);
    const json = JSON.parse((await airlock("agents", "show", "my.agent", "--json")).out);
    expect(json.files.map((file: { path: string }) => file.path)).toEqual(["scripts/run.sh"]);

    const to = join(dir, "copy");
    const saved = await airlock("agents", "export", "my.agent", "--to", to);
    expect([saved.code, saved.out]).toEqual([0, expect.stringMatching(/copy {2}2 files/)]);
    expect(await readFile(join(to, "SKILL.md"))).toEqual(await readFile(join(at, "SKILL.md")));
    expect((await stat(join(to, "scripts/run.sh"))).mode & 0o777).toBe(0o755);
    expect((await airlock("agents", "install", to)).out).toMatch(/was there already/);
    const full = await airlock("agents", "export", "my.agent", "--to", to);
    expect([full.code, full.err]).toEqual([2, expect.stringMatching(/is not empty/)]);

    expect((await airlock("agents", "delete", "my.agent")).code).toBe(0);
    const gone = await airlock("agents", "show", "my.agent");
    expect([gone.code, gone.err]).toEqual([1, expect.stringMatching(/no agent "my\.agent"/)]);
  });

  it("show an earlier revision when asked for it", async () => {
    const { airlock, folder } = await openDesk();
    await airlock("agents", "install", await folder("one", "The first"));
    await airlock("agents", "install", await folder("two", "The second"));
    expect((await airlock("agents", "show", "my.agent")).out).toMatch(/The second/);
    const first = await airlock("agents", "show", "my.agent", "--revision", "1");
    expect(first.out).toMatch(/The first/);
    const third = await airlock("agents", "show", "my.agent", "--revision", "3");
    expect([third.code, third.err]).toEqual([1, expect.stringMatching(/the revision 3/)]);
    const wrong = await airlock("agents", "show", "my.agent", "--revision", "newest");
    expect([wrong.code, wrong.err]).toEqual([
      1,
      expect.stringMatching(/revision "newest": expected/),
    ]);
  });

  it("tell everything that is wrong with one, line by line", async () => {
    const { airlock, folder } = await openDesk();
    const at = await folder("mine");
    const skill = skillOf({ id: "my.agent" });
    const wrong = skill.replace("capabilities:", "capabilites:").replace("version:", "vorsion:");
    await writeFile(join(at, "SKILL.md"), wrong);
    const { code, err } = await airlock("agents", "install", at);
    expect(code).toBe(1);
    expect(err).toMatch(/^ {2}line 2: .*version/m);
    expect(err).toMatch(/^ {2}line 10: .*capabilities/m);
  });

  it("are refused when their folder holds a link, or is not there", async () => {
    const { airlock, folder, dir } = await openDesk();
    const at = await folder("mine");
    await symlink("/etc/hostname", join(at, "host"));
    const linked = await airlock("agents", "install", at);
    expect([linked.code, linked.err]).toEqual([1, expect.stringMatching(/no regular file/)]);
    const absent = await airlock("agents", "install", join(dir, "nowhere"));
    expect([absent.code, absent.err]).toEqual([1, expect.stringMatching(/ENOENT/)]);
    expect(await readdir(dir)).toEqual(["mine"]);
  });
});
