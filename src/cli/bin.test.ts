import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const bin = fileURLToPath(new URL("../../bin/airlock", import.meta.url));
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-bin-"));
});

afterEach(() => rm(dir, { recursive: true }));

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function start(file: string, argv: string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(file, argv, { env: { PATH: process.env.PATH ?? "", HOME: dir, ...env } });
  const ended: Ended = { code: null, out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    ended.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    ended.err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}

/** A `node` that says which version it is, and shows what it was started with. */
async function pretendNode(path: string, version: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const lines = [`[ "$1" = --version ] && { echo ${version}; exit; }`, `echo "${version}" "$@"`];
  await writeFile(path, `#!/bin/sh\n${lines.join("\n")}\n`);
  await chmod(path, 0o755);
}

/** The package as npm lays it out, below node_modules, with a link in `.bin`. */
async function install(): Promise<{ link: string; root: string }> {
  const root = join(dir, "node_modules", "airlock");
  await mkdir(join(root, "bin"), { recursive: true });
  await mkdir(join(root, "dist"));
  await mkdir(join(root, "src"));
  await writeFile(join(root, "dist", "main.js"), "");
  await writeFile(join(root, "src", "main.ts"), "");
  const script = join(root, "bin", "airlock");
  await start("cp", [bin, script]);
  const link = join(dir, "node_modules", ".bin", "airlock");
  await mkdir(dirname(link));
  await symlink("../airlock/bin/airlock", link);
  return { link, root };
}

describe("bin/airlock", () => {
  it("prints help, through links too", async () => {
    const [first, second] = [join(dir, "first"), join(dir, "second")];
    await symlink(bin, first);
    await symlink("first", second);
    for (const file of [bin, second]) {
      const { code, out, err } = await start(file, ["--help"]);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(/^Usage: airlock /);
    }
  });

  it("ends with the exit code of the command", async () => {
    expect((await start(bin, ["nope"])).code).toBe(2);
    const argv = ["status", "x", "--url", "http://127.0.0.1:1", "--token", "t"];
    const unreachable = await start(bin, argv);
    expect(unreachable.code).toBe(1);
    expect(unreachable.err).toContain("airlock serve");
  });

  it("does not crash when nobody reads what it says", async () => {
    const sh = `"$0" --help | true; "$0" version | head -c 1`;
    const { code, out, err } = await start("/bin/sh", ["-c", sh, bin]);
    expect([code, out, err]).toEqual([0, "a", ""]);
  });

  it("takes the Node that was installed beside it, and runs what was compiled", async () => {
    const { link, root } = await install();
    await pretendNode(join(dir, "path", "node"), "v30.0.0");
    const PATH = [join(dir, "path"), "/usr/bin", "/bin"].join(delimiter);
    const main = join(root, "dist", "main.js");
    expect((await start(link, ["a b", ""], { PATH })).out).toBe(`v30.0.0 ${main} a b \n`);
    await pretendNode(join(dir, "node_modules", "node", "bin", "node"), "v24.0.0");
    expect((await start(link, ["x"], { PATH })).out).toBe(`v24.0.0 ${main} x\n`);
    await pretendNode(join(root, "node_modules", ".bin", "node"), "v26.1.0");
    expect((await start(link, ["x"], { PATH })).out).toBe(`v26.1.0 ${main} x\n`);
  });

  it("says in one line what to install when there is no good Node", async () => {
    const { link } = await install();
    await pretendNode(join(dir, "path", "node"), "v22.9.0");
    const PATH = [join(dir, "path"), "/usr/bin", "/bin"].join(delimiter);
    const { code, out, err } = await start(link, ["--help"], { PATH });
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^airlock: needs Node 24 or newer: .*\n$/);
  });
});
