/**
 * What a stranger gets of the client: the tarball of @airlock/sdk, installed into an empty folder, used against a real gateway
 * by Node 20, 22 and 26, Deno and Bun, and where there is nothing but what a browser has.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npmEnv } from "./support/npm-env.ts";
import { fetchRuntimes, type Runtime } from "./support/runtimes.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";

const run = promisify(execFile);
const checkout = resolve(import.meta.dirname, "..");
const folder = tempDirUntilExit("sdk-package");
const installed = join(folder, "node_modules/@airlock/sdk");
const root = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
const packed = () => JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));

const script = {
  turns: [
    {
      calls: [
        {
          tool: "sandbox_exec",
          arguments: {
            command: "printf hello > /workspace/out/hello.txt",
            intent: "Write the file",
          },
        },
      ],
    },
    { text: "There it is" },
  ],
};

let gateway: StartedGateway;
let runtimes: Record<string, Runtime>;

beforeAll(async () => {
  const built = join(folder, "built");
  await run("sh", ["scripts/build-sdk.sh", built], { cwd: checkout, env: npmEnv });
  await run("npm", ["pack", "--pack-destination", folder], { cwd: built, env: npmEnv });
  await writeFile(join(folder, "package.json"), '{"name":"stranger","type":"module"}');
  const flags = ["--omit=dev", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const tarball = join(folder, `airlock-sdk-${root.version}.tgz`);
  await run("npm", ["install", ...flags, tarball], { cwd: folder, env: npmEnv });
  runtimes = await fetchRuntimes();
  gateway = await startGateway({ script });
}, 300_000);
afterAll(() => gateway?.stop());

/** Every file of the package below a folder of it. */
const files = (below: string) =>
  readdirSync(join(installed, below), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe("the package", () => {
  it("says what it is, has one dependency in one version, and two ways in", async () => {
    const { name, version, type, license, engines, exports, dependencies } = packed();
    expect({ name, version, type, license }).toEqual({
      ...{ name: "@airlock/sdk", type: "module" },
      ...{ version: root.version, license: root.license },
    });
    expect(engines).toEqual({ node: ">=20" });
    expect(dependencies).toEqual({ zod: root.dependencies.zod });
    expect(Object.keys(exports)).toEqual([".", "./compat"]);
    const { stdout } = await run("npm", ["ls", "--all", "--parseable"], {
      cwd: folder,
      env: npmEnv,
    });
    const names = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((path) => path.split("/node_modules/")[1]);
    expect(names).toEqual(["@airlock/sdk", "zod"]);
    const inside = `import("@airlock/sdk/dist/sdk/transport.js")`;
    const refused = run("node", ["-e", inside], { cwd: folder, env: npmEnv });
    await expect(refused).rejects.toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });

  it("holds code, types, documents and examples, and no source or test", () => {
    const names = files(".").map((path) => path.slice(installed.length + 1));
    for (const name of ["README.md", "LICENSE", "docs/sdk.md", "examples/everywhere.mjs"]) {
      expect(names).toContain(name);
    }
    for (const path of names) expect(path).not.toMatch(/(?<!\.d)\.ts$|\.test\./);
    expect(names.filter((path) => path.startsWith("dist/"))).toContain("dist/sdk/compat.d.ts");
  });

  it("has documents whose links lead somewhere in it", () => {
    const documents = files(".").filter((path) => path.endsWith(".md"));
    const broken = documents.flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/\]\(([^)\s#]+)/g)]
        .map(([, link = ""]) => link)
        .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(dirname(path), link))),
    );
    expect(broken).toEqual([]);
  });

  it("imports nothing but itself and zod before it is asked to, and reads no environment", async () => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const follow = (path: string) => {
      if (seen.has(path)) return;
      seen.add(path);
      const code = readFileSync(path, "utf8");
      for (const [, target = ""] of code.matchAll(
        /^(?:import|export)\s(?:[^;"']*?\sfrom\s)?["']([^"']+)["']/gm,
      )) {
        if (target.startsWith(".")) follow(join(dirname(path), target));
        else packages.add(target);
      }
    };
    for (const entry of ["sdk.js", "compat.js"]) follow(join(installed, "dist/sdk", entry));
    expect([...packages]).toEqual(["zod"]);
    expect(seen.size).toBeGreaterThan(40);
    for (const path of seen) {
      expect(readFileSync(path, "utf8"), path).not.toMatch(
        /process\.env|Deno\.env|Bun\.env|meta\.env/,
      );
    }
    // Node itself looks into it while it loads a module.
    const trap = `process.env = new Proxy({}, { get(_, name) {
        if (new Error().stack.includes("@airlock/sdk/dist")) throw new Error("It read " + String(name));
      } });
      const { AirlockClient } = await import("@airlock/sdk");
      const { AntpathClient } = await import("@airlock/sdk/compat");
      new AirlockClient({ token: "x" }); new AntpathClient({ apiToken: "x" });`;
    await run("node", ["--input-type=module", "-e", trap], { cwd: folder, env: npmEnv });
  });

  it("has types that programs of older libraries are checked against, without those of Node", async () => {
    await mkdir(join(folder, "typed"), { recursive: true });
    const options = ["--strict", "--module", "nodenext", "--target", "es2022"];
    const libraries = ["--lib", "es2022,dom,dom.iterable,dom.asynciterable", "--types", ""];
    const tsc = (file: string) =>
      run("tsc", ["--noEmit", ...options, ...libraries, file], {
        cwd: join(folder, "typed"),
        env: npmEnv,
      });
    await writeFile(join(folder, "typed/right.ts"), typedUse("string"));
    await writeFile(join(folder, "typed/wrong.ts"), typedUse("number"));
    const told = await tsc("right.ts").catch((error: { stdout: string }) => error);
    expect(told.stdout).toBe("");
    await expect(tsc("wrong.ts")).rejects.toMatchObject({
      stdout: expect.stringContaining("'string' is not assignable to type 'number'"),
    });
  });
});

function typedUse(type: string): string {
  return `
import { AirlockClient, isRunFinished, SecretString } from "@airlock/sdk";
import { AntpathClient, HttpError } from "@airlock/sdk/compat";
const airlock = new AirlockClient({ token: new SecretString("not-a-real-one") });
const run = await airlock.submitRun({ model: "scripted/demo", prompt: "Make a file" });
for await (const event of run.stream()) if (isRunFinished(event)) event.data.cleanup_status;
export const status: ${type} = (await run.wait()).status;
const proxyEndpoints = [
  { name: "a", baseUrl: "https://a.example", authShape: { type: "none" }, allowMethods: ["GET"], allowPathPrefixes: ["/"] },
] as const;
const old = await new AntpathClient({ apiToken: "x" }).submitRun({ model: "claude-x", prompt: "y" }, { proxyEndpoints });
export const code: number | undefined = ((await old.wait()) as unknown as HttpError).status;
`;
}

/** Of the skill in the example: the same whoever packs it. */
const greeting = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);

describe("one program", () => {
  for (const name of ["Node 20", "Node 22", "Node 26", "Deno", "Bun"]) {
    it(`submits, follows and downloads with ${name}`, async () => {
      const [program, ...before] = runtimes[name] as Runtime;
      const cwd = join(folder, name.replace(" ", "-"));
      await mkdir(cwd);
      await cp(join(installed, "examples/everywhere.mjs"), join(cwd, "everywhere.mjs"));
      const args = [...before, "everywhere.mjs", gateway.url, gateway.token, "scripted/demo"];
      const { stdout } = await run(program, args, {
        cwd,
        env: { PATH: "/usr/bin:/bin", HOME: cwd },
      });
      expect(JSON.parse(stdout)).toMatchObject({
        ...{ status: "succeeded", first: "run.submitted", last: "run.finished" },
        ...{ output: "hello", missing: true, skill: greeting },
      });
      const { zipBytes, savedBytes } = JSON.parse(stdout);
      expect(zipBytes).toBeGreaterThan(1000);
      expect(savedBytes).toBe(zipBytes);
      expect(readFileSync(join(cwd, "run.zip")).subarray(0, 4)).toEqual(
        Buffer.from("PK\x03\x04", "latin1"),
      );
    });
  }

  it("submits, follows and downloads where there is only what a browser has", async () => {
    const program = `
import { AirlockClient } from "@airlock/sdk";
import "@airlock/sdk/compat";
const airlock = new AirlockClient(given);
const run = await airlock.submitRun({
  model: "scripted/demo", prompt: "Write hello.txt", outputDirs: ["/workspace/out"],
  files: [{ path: "big", bytes: new Uint8Array(100_000) }],
});
let last;
for await (const event of run.stream({ live: true })) last = event.type;
const bytes = await run.downloadOutput({ path: "hello.txt", match: "suffix" });
const refused = await run.download({ to: "x.zip" }).catch((error) => error.code);
const path = await airlock.submitRun({ model: "x/y", prompt: "z", files: [{ path: "a", from: "/etc/passwd" }] })
  .catch((error) => error.code);
console.log(JSON.stringify({ last, text: new TextDecoder().decode(bytes), refused, path, node: typeof process }));
`;
    writeFileSync(join(folder, "page.mjs"), program);
    const given = JSON.stringify({ baseUrl: gateway.url, token: gateway.token });
    const harness = join(checkout, "test/support/browser-like.mjs");
    const flags = [
      "--experimental-vm-modules",
      "--experimental-import-meta-resolve",
      "--no-warnings",
    ];
    const args = [...flags, harness, join(folder, "page.mjs"), given];
    const { stdout } = await run("node", args, { cwd: folder, env: npmEnv });
    expect(JSON.parse(stdout)).toEqual({
      ...{ last: "run.finished", text: "hello", node: "undefined" },
      ...{ refused: "no_file_system", path: "no_file_system" },
    });
  });
});
