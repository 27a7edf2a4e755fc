/** Starting a gateway: what it makes, what it keeps, what it says, and everything that it refuses with a reason. */
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { compileCache } from "./support/compile-cache.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const script = { turns: [{ text: "done" }] };
const isRoot = process.getuid?.() === 0;

let dataDir: string;
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One command line of the checkout, run to its end. */
function airlock(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { node, root } = checkoutFor(undefined);
  return new Promise((resolve) => {
    const child = execFile(
      node,
      [join(root, "src/main.ts"), ...args],
      {
        cwd: root,
        env: {
          PATH: "/usr/local/bin:/usr/bin:/bin",
          HOME: dataDir,
          AIRLOCK_DATA_DIR: dataDir,
          ...compileCache,
          ...env,
        },
      },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

const serve = (args: string[] = [], env: Record<string, string> = {}) =>
  airlock(["serve", "--port", "0", "--log-level", "silent", ...args], env);

describe("the first start", () => {
  it("makes a token that only its owner can read; later starts keep it", async () => {
    const first = await startGateway({ dataDir, script });
    const path = join(dataDir, "admin-token");
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect((await clientOf(first).whoami()).scopes).toEqual(["runs", "approve", "admin"]);
    const run = await clientOf(first).submitRun({ model: "scripted/x", prompt: "go" });
    await run.wait();
    expect(await first.stop()).toBe(0);

    const second = await startGateway({ dataDir, script });
    expect(second.token).toBe(first.token);
    expect(readFileSync(path, "utf8")).toBe(`${first.token}\n`);
    expect(await clientOf(second).tokens.list()).toHaveLength(1);
    expect((await clientOf(second).getRun(run.id)).reply).toBe("done");
    await second.stop();
  });

  it("says one line on stdout once it answers, and nothing else", async () => {
    const gateway = await startGateway({ dataDir });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    await gateway.stop();
    expect(gateway.stdout()).toBe(
      `airlock ready on ${gateway.url} (data: ${dataDir}, token: ${join(dataDir, "admin-token")})\n`,
    );
    for (const line of gateway.log().trim().split("\n")) {
      if (line.startsWith("{")) expect(JSON.parse(line)).toHaveProperty("level");
    }
  });

  it("makes a new token when the file was lost, and the lost one opens nothing", async () => {
    const first = await startGateway({ dataDir });
    await first.stop();
    rmSync(join(dataDir, "admin-token"));
    const second = await startGateway({ dataDir });
    expect(second.token).not.toBe(first.token);
    const lost = { url: second.url, token: first.token };
    expect((await call(lost, "GET", "/api/whoami")).status).toBe(401);
    expect((await call(second, "GET", "/api/whoami")).status).toBe(200);
    await second.stop();
  });
});

describe("a data directory", () => {
  it("serves one gateway at a time, and the next at once after kill -9", async () => {
    const first = await startGateway({ dataDir });
    const refused = await serve();
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr.trim().split("\n")).toHaveLength(1);
    expect(refused.stderr).toContain(dataDir);
    expect(refused.stderr).toContain(`pid ${first.pid}`);
    expect((await clientOf(first).health()).ready).toBe(true);
    const json = await serve(["--json"]);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "data_dir_locked" } });
    await first.kill9();
    const next = await startGateway({ dataDir });
    expect((await clientOf(next).whoami()).workspaceName).toBe("default");
    await next.stop();
  });

  const damage: [string, (database: string) => void, RegExp][] = [
    ["empty", (path) => truncateSync(path, 0), /damaged|empty/],
    ["garbage", (path) => writeFileSync(path, "not a database at all".repeat(1000)), /damaged/],
    ["cut in half", (path) => truncateSync(path, statSync(path).size / 2), /damaged/],
    ["of a newer schema", (path) => setSchema(path, 999), /schema version 999.*newer version/s],
  ];
  for (const [what, spoil, message] of damage) {
    it(`whose database is ${what} is refused and left as it is`, async () => {
      const first = await startGateway({ dataDir });
      await first.stop();
      const database = join(dataDir, "airlock.db");
      spoil(database);
      const spoiled = readFileSync(database);
      const refused = await serve();
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toMatch(message);
      expect(refused.stderr).toContain(database);
      expect(refused.stderr).not.toMatch(/\n\s+at /);
      expect(readFileSync(database).equals(spoiled)).toBe(true);
    });
  }

  it("whose database is gone although its log is there is refused, and none is made", async () => {
    const first = await startGateway({ dataDir });
    await first.kill9();
    const database = join(dataDir, "airlock.db");
    expect(existsSync(`${database}-wal`)).toBe(true);
    cpSync(database, join(dataDir, "elsewhere.db"));
    rmSync(database);
    const refused = await serve();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("restore both");
    expect(existsSync(database)).toBe(false);
  });

  it("below a closed home is refused by its name to root, whose runs are other users", async () => {
    const home = join(dataDir, "home");
    mkdirSync(home, { mode: 0o700 });
    if (!isRoot) {
      const own = await startGateway({ dataDir: join(home, "airlock") });
      return void expect(await own.stop()).toBe(0);
    }
    const refused = await serve(["--data-dir", join(home, "airlock")]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain(home);
    expect(refused.stderr).toMatch(/chmod|711|traverse|reach/i);
  });
});

function setSchema(path: string, version: number): void {
  const db = new DatabaseSync(path);
  db.prepare("UPDATE meta SET value = ? WHERE key = 'schema_version'").run(version);
  db.close();
}

describe("what cannot be meant", () => {
  it("is refused before anything is made: options and variables by name, with exit code 2", async () => {
    const cases: [string[], Record<string, string>, string[]][] = [
      [["--frobnicate"], {}, ["--frobnicate"]],
      [["--port", "70000"], {}, ["70000"]],
      [["--log-level", "loud"], {}, ["loud", "warn"]],
      [[], { AIRLOCK_MAX_RUNS: "many" }, ["AIRLOCK_MAX_RUNS", "many"]],
      [[], { AIRLOCK_MAX_RUNS: "0" }, ["AIRLOCK_MAX_RUNS", "0"]],
      [[], { AIRLOCK_RUN_TURNS: "-1" }, ["AIRLOCK_RUN_TURNS", "-1"]],
      [[], { AIRLOCK_UID_RANGE: "5-1" }, ["AIRLOCK_UID_RANGE", "5-1"]],
      [[], { AIRLOCK_HOST: "0.0.0.0" }, ["AIRLOCK_HOST", "--host"]],
    ];
    await Promise.all(
      cases.map(async ([args, env, words]) => {
        const refused = await serve(args, env);
        expect(refused, words.join(" ")).toMatchObject({ code: 2, stdout: "" });
        for (const word of words) expect(refused.stderr).toContain(word);
      }),
    );
    expect(existsSync(join(dataDir, "airlock.db"))).toBe(false);
  });

  it("is refused when the script is not one, by file and field", async () => {
    const file = join(dataDir, "script.json");
    writeFileSync(file, JSON.stringify({ turns: [{ calls: [{ tool: 7 }] }] }));
    const refused = await serve(["--scripted-model", file]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(file);
    expect(refused.stderr).toContain("turns.0.calls.0.tool");
  });

  it("is refused when the port is taken, and the directory is free again", async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = squatter.address() as { port: number };
      const refused = await serve(["--port", String(port)]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toContain(`127.0.0.1:${port}`);
      expect(refused.stderr).toMatch(/in use|EADDRINUSE/);
    } finally {
      squatter.close();
    }
    const gateway = await startGateway({ dataDir });
    expect(await gateway.stop()).toBe(0);
  });
});

it("listens on another address when it is told to by an option", async () => {
  const gateway = await startGateway({ dataDir, args: ["--host", "0.0.0.0"] });
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
  expect(await gateway.stop()).toBe(0);
});

describe("airlock doctor", () => {
  it("ends with 0 and a grade where a sandbox can be had, as text and as JSON", async () => {
    const [text, json] = await Promise.all([airlock(["doctor"]), airlock(["doctor", "--json"])]);
    expect([text.code, json.code]).toEqual([0, 0]);
    const report = JSON.parse(json.stdout);
    expect(report.grade).toMatch(/^[AB]$/);
    expect(text.stdout).toContain(`Isolation grade ${report.grade}`);
    for (const { name } of report.probes) expect(text.stdout).toContain(name);
  });

  it("ends with 1 and the reason where it cannot", async () => {
    const args = ["doctor", "--json", "--data-dir", join(dataDir, "d")];
    const json = await airlock(args, { AIRLOCK_TOOLCHAINS: "/nowhere/at/all" });
    expect(json.code).toBe(1);
    const { grade, probes } = JSON.parse(json.stdout);
    expect(grade).toBeNull();
    const bad = probes.find((probe: { ok: boolean }) => !probe.ok);
    expect(bad).toMatchObject({ name: "toolchains", required: true });
    expect(bad.found).toMatch(/"\/nowhere\/at\/all": expected a directory/);
  });
});
