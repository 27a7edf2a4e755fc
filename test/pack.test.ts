/**
 * What a stranger gets: the tarball that `npm pack` makes, installed into an empty folder without development
 * dependencies, has to serve, and its SDK has to be usable from a program there, types included.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { npmEnv as env } from "./support/npm-env.ts";
import { startGateway } from "./support/start-gateway.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";

const run = promisify(execFile);
const checkout = resolve(import.meta.dirname, "..");
const folder = tempDirUntilExit("pack");
const { version } = JSON.parse(await readFile(join(checkout, "package.json"), "utf8"));

beforeAll(async () => {
  await run("npm", ["pack", "--pack-destination", folder], { cwd: checkout, env });
  await writeFile(join(folder, "package.json"), '{"name":"stranger","private":true}');
  const flags = ["--omit=dev", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const tarball = join(folder, `airlock-${version}.tgz`);
  await run("npm", ["install", ...flags, tarball], { cwd: folder, env });
}, 300_000);

describe("the packed package", () => {
  const airlock = join(folder, "node_modules/.bin/airlock");

  it("says its version", async () => {
    const { stdout } = await run(airlock, ["version"], { cwd: folder, env });
    expect(stdout).toContain(version);
  });

  it("ships no sources, tests or development dependencies", async () => {
    const { stdout } = await run("npm", ["ls", "--all", "--parseable"], { cwd: folder, env });
    const installed = stdout.split("\n").map((path) => path.split("/node_modules/").at(-1));
    expect(installed).toContain("airlock");
    for (const name of ["typescript", "vitest", "@biomejs/biome", "node"]) {
      expect(installed).not.toContain(name);
    }
    const files = await run("find", [join(folder, "node_modules/airlock"), "-name", "*.ts"], {
      env,
    });
    expect(files.stdout.split("\n").filter((path) => path && !path.endsWith(".d.ts"))).toEqual([]);
  });

  it("makes agents, and brings those that come along", async () => {
    const made = join(folder, "count-words");
    await run(airlock, ["agents", "init", made, "--script", "javascript"], { cwd: folder, env });
    const brought = join(folder, "node_modules/airlock/agents");
    const all = (await readdir(brought)).map((id) => join(brought, id));
    expect(all.length).toBe(7);
    const checked = await run(airlock, ["agents", "validate", made, ...all], { cwd: folder, env });
    expect(checked.stdout.match(/can be installed/g)?.length).toBe(8);
  });

  it("serves, and runs a submission of its own SDK to an archive", async () => {
    const gateway = await startGateway({
      program: [airlock],
      env,
      script: {
        turns: [
          {
            text: "I write a file",
            calls: [
              {
                tool: "sandbox_exec",
                arguments: { command: makeFiles, intent: "Make files" },
              },
            ],
          },
          { text: "There it is" },
        ],
      },
    });
    try {
      await writeFile(join(folder, "use.mjs"), useSdk);
      const { stdout } = await run("node", ["use.mjs", gateway.url, gateway.token], {
        cwd: folder,
        env,
      });
      const used = JSON.parse(stdout);
      expect(used.status, gateway.log()).toBe("succeeded");
      expect(used.word).toBe("packed\n");
      expect((await readFile(join(folder, "run.zip"))).subarray(0, 4)).toEqual(
        Buffer.from("PK\x03\x04", "latin1"),
      );
    } finally {
      expect(await gateway.stop()).toBe(0);
    }
  });

  it("has types that a program is checked against", async () => {
    await mkdir(join(folder, "typed"));
    await writeFile(join(folder, "typed/package.json"), '{"type":"module"}');
    await writeFile(join(folder, "typed/right.ts"), typedUse("string"));
    await writeFile(join(folder, "typed/wrong.ts"), typedUse("number"));
    const tsc = (file: string) =>
      run("tsc", ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", file], {
        cwd: join(folder, "typed"),
        env,
      });
    await tsc("right.ts");
    await expect(tsc("wrong.ts")).rejects.toMatchObject({
      stdout: expect.stringContaining("'string' is not assignable to type 'number'"),
    });
  });
});

/** One large enough that the packed gateway has to start its threads. */
const makeFiles =
  "echo packed > /workspace/out/word; head -c 3000000 /dev/zero > /workspace/out/big";

const useSdk = `
import { AirlockClient } from "airlock";
const [baseUrl, token] = process.argv.slice(2);
const airlock = new AirlockClient({ baseUrl, token });
const run = await airlock.submitRun({
  model: "scripted/demo", prompt: "Make a file", outputDirs: ["/workspace/out"],
});
const { status } = await run.wait();
await run.download({ to: "run.zip" });
const word = new TextDecoder().decode(await run.downloadOutput({ path: "/workspace/out/word" }));
console.log(JSON.stringify({ status, word }));
`;

function typedUse(type: string): string {
  return `
import { AirlockClient } from "airlock";
const airlock = new AirlockClient({ token: "not-a-real-one" });
const run = await airlock.submitRun({ model: "scripted/demo", prompt: "Make a file" });
export const status: ${type} = (await run.wait()).status;
`;
}
