/**
 * The first ten minutes of a stranger: the demo and the example, run as they would run them, without a model key.
 */
import { type ExecFileException, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readZip } from "./support/read-zip.ts";
import { startGateway } from "./support/start-gateway.ts";
import { tempDir } from "./support/temp-dir.ts";

const checkout = resolve(import.meta.dirname, "..");

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of this checkout in an empty environment, so that no key of the person who tests is spent. */
function play(file: string, cwd: string, env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(checkout, file)],
      { cwd, env: { PATH: process.env.PATH ?? "", HOME: cwd, TMPDIR: cwd, ...env } },
      (error: ExecFileException | null, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}

const titles = ["Python: tabulate, with pip", "Node.js: asciichart, with npm"];

/** From the registry, then from the cache, then with no network; or it is said that the registry is out of reach. */
function expectInstalled(stdout: string, title: string): void {
  const [, part = ""] = stdout.split(`── ${title}\n`);
  const own = part.split("\n── ")[0] ?? "";
  if (own.includes(`${title}: cannot reach `)) return;
  expect(own).toMatch(/install {2}\d+ ms from the registry, \d+ ms from the build cache/);
  expect(own).toMatch(/artifact art_\w+, proved to run with no network/);
}

describe("npm run demo", () => {
  it("fails first, corrects itself, and leaves the files that it promises", async () => {
    const cwd = await tempDir("demo");
    const { code, stdout, stderr } = await play("scripts/demo.ts", cwd);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("there is no model key, so a script plays the model");
    const failing = stdout.indexOf("ValueError: could not convert string to float: '1,204.50'");
    expect(failing).toBeGreaterThan(0);
    expect(stdout.indexOf("201 rows read, 4 left out")).toBeGreaterThan(failing);
    for (const title of titles) expectInstalled(stdout, title);

    const [result = ""] = (await readdir(cwd)).filter((name) => name.startsWith("airlock-demo-"));
    const files = await readdir(join(cwd, result, "outputs"));
    expect(files.sort()).toEqual(["report.md", "revenue.svg", "summary.json"]);
    const summary = JSON.parse(await readFile(join(cwd, result, "outputs/summary.json"), "utf8"));
    expect(summary).toMatchObject({ rows_read: 201, orders_used: 197, revenue: 93945.98 });

    const [zip = ""] = (await readdir(join(cwd, result))).filter((name) => name.endsWith(".zip"));
    const entries = await readZip(await readFile(join(cwd, result, zip)));
    expect([...entries.keys()].sort()).toEqual([
      "attestation.json",
      "custody.json",
      "events.jsonl",
      "manifest.json",
      "outputs/report.md",
      "outputs/revenue.svg",
      "outputs/summary.json",
      "run.json",
    ]);
    const left = (await readdir(cwd)).filter((name) => name.startsWith("airlock-demo-data"));
    expect(left, "the data directory is thrown away").toEqual([]);
  });

  it("names a registry that is out of reach and goes on", async () => {
    const cwd = await tempDir("demo");
    const { code, stdout } = await play("scripts/demo.ts", cwd, {
      PIP_INDEX_URL: "https://127.0.0.1:10009/simple",
      PIP_RETRIES: "0",
    });
    expect(code, stdout).toBe(0);
    expect(stdout).toContain("Python: tabulate, with pip: cannot reach 127.0.0.1 (unreachable)");
    expectInstalled(stdout, "Node.js: asciichart, with npm");
  });

  it("says what is wrong and ends with 1 when the model that is asked for cannot be had", async () => {
    const cwd = await tempDir("demo");
    const { code, stdout } = await play("scripts/demo.ts", cwd, {
      AIRLOCK_DEMO_MODEL: "anthropic/claude-sonnet-5",
    });
    expect(code).toBe(1);
    expect(stdout).toContain("ANTHROPIC_API_KEY");
  });

  it("stops at Ctrl-C and leaves no data behind", async () => {
    const cwd = await tempDir("demo");
    const child = spawn(process.execPath, [join(checkout, "scripts/demo.ts")], {
      cwd,
      env: { PATH: process.env.PATH ?? "", HOME: cwd, TMPDIR: cwd },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let said = "";
    for await (const text of child.stdout.setEncoding("utf8")) {
      said += text;
      if (!child.killed && said.includes("I look at the data first")) child.kill("SIGINT");
    }
    const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
    expect(code).toBe(130);
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe("npm run demo:agents", () => {
  it("shows four agents at work, and leaves what they made", async () => {
    const cwd = await tempDir("demo-agents");
    const { code, stdout, stderr } = await play("scripts/demo-agents.ts", cwd);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    for (const agent of ["planner", "coder", "packager", "executor"]) {
      expect(stdout).toMatch(new RegExp(`${agent}.default {2}succeeded`));
    }
    expect(stdout).toContain("Bergen: 2 to 9 degrees");
    const [zip = ""] = await readdir(cwd);
    const entries = await readZip(await readFile(join(cwd, zip)));
    expect([...entries.keys()].join(" ")).toContain("weather.py");
  });
});

describe("examples/first-run.ts", () => {
  it("shows a run and saves its archive", async () => {
    const script = {
      turns: [
        {
          text: "I say hello.",
          calls: [
            {
              tool: "sandbox_exec",
              arguments: { command: "echo hello | tee /workspace/out/hello.txt" },
            },
          ],
        },
        { text: "Said." },
      ],
    };
    const gateway = await startGateway({ script });
    try {
      const cwd = await tempDir("example");
      const { code, stdout, stderr } = await play("examples/first-run.ts", cwd, {
        AIRLOCK_URL: gateway.url,
        AIRLOCK_TOKEN: gateway.token,
        AIRLOCK_MODEL: "scripted/hello",
      });
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(
        /^I say hello\.\n\[sandbox_exec\]\n\{.*"stdout":"hello\\n".*\}\nSaid\.\n/,
      );
      expect(stdout).toMatch(/\nsucceeded\nrun_\w+\.zip, \d+ bytes\n$/);
      expect(await readdir(cwd)).toContainEqual(expect.stringMatching(/^run_\w+\.zip$/));
    } finally {
      await gateway.stop();
    }
  });
});
