/**
 * C12: two installs of one lock are one layer. The real installers run, twice, into fresh directories and with caches of
 * their own, so that what they write by the clock, by chance and for themselves is really there. Where an installer or its
 * registry cannot be reached, the test says so: what it leaves behind is planted in `src/layers/left-out.test.ts`.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openThreads } from "../src/base/threads.ts";
import { openRoot } from "../src/base/tree.ts";
import { openLayers, type StoredLayer } from "../src/layers/layers.ts";
import { syncFilesystem } from "../src/sandbox/sandbox.ts";
import { newDataDir } from "./support/start-gateway.ts";

const dataDir = newDataDir();
const log = openLog("silent");
const threads = openThreads({ log });
const layers = openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });
const never = new AbortController().signal;
afterAll(async () => {
  await layers.sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, never);
  await threads.close();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Install {
  project: Record<string, string>;
  /** The commands, with the directory of the project and the one that is to become the layer. */
  commands: (project: string, target: string) => string[][];
  env?: (target: string) => Record<string, string>;
  /** What is captured, below the directory of the install; default: `target`. */
  captured?: string;
  /** Kinds that every version of the installer writes. */
  leftOut: string[];
}

const unreachable =
  /ENOENT|spawnSync \S+ EACCES|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|dial tcp|resolve host|failed to resolve|Max retries|No matching distribution|failed to download|i\/o timeout|Temporary failure|network/i;

let count = 0;

/** Installs into a fresh directory and captures it; null where the installer cannot be reached. */
async function installed(context: TestContext, wanted: Install): Promise<StoredLayer | null> {
  const name = `install-${count++}`;
  const project = join(dataDir, name, "project");
  const target = join(dataDir, name, "target");
  for (const [path, content] of Object.entries(wanted.project)) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), content);
  }
  const env = { ...process.env, ...wanted.env?.(target) };
  for (const [command = "", ...words] of wanted.commands(project, target)) {
    const options = { cwd: project, timeout: 120_000, env, stdio: "pipe" } as const;
    try {
      execFileSync(command, words, options);
    } catch (error) {
      if (!unreachable.test(String(error))) throw error;
      await context.annotate(`${command} or its registry cannot be reached: ${error}`, "warning");
      return null;
    }
  }
  const root = openRoot(join(dataDir, name));
  try {
    const path = wanted.captured ?? "target";
    const published = await layers.capture({ root, path }, never);
    if (!published.ok) throw new Error(published.reason);
    return published.layer;
  } finally {
    closeSync(root);
  }
}

const npm = join(import.meta.dirname, "../node_modules/npm/bin/npm-cli.js");
const msIntegrity =
  "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==";
const msLock = JSON.stringify({
  ...{ name: "x", version: "1.0.0", lockfileVersion: 3, requires: true },
  packages: {
    "": { name: "x", version: "1.0.0", dependencies: { ms: "2.1.3" } },
    "node_modules/ms": { version: "2.1.3", integrity: msIntegrity, license: "MIT" },
  },
});

const crate = '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n';
const cargoProject = {
  "Cargo.toml": `${crate}[dependencies]\nitoa = "=1.0.11"\n`,
  "src/lib.rs": "",
};
const goProject = {
  "go.mod": "module x\n\ngo 1.19\n\nrequire github.com/BurntSushi/toml v1.3.2\n",
};
const goEnv = (target: string) => ({
  ...{ GOMODCACHE: target, GOFLAGS: "-mod=mod", GOWORK: "off" },
});

const pip = (target: string, lock: string) => [
  ...["pip", "install", "-q", "--retries", "1", "--no-cache-dir", "--root-user-action=ignore"],
  ...["--target", target, "-r", lock],
];

const kinds: [string, Install][] = [
  [
    "pip, which writes bytecode by the time of its source",
    {
      project: { "requirements.txt": "six==1.17.0\nidna==3.10\n" },
      commands: (_project, target) => [pip(target, "requirements.txt")],
      env: () => ({ PYTHONDONTWRITEBYTECODE: "" }),
      leftOut: ["bytecode of Python that holds times"],
    },
  ],
  [
    "npm ci",
    {
      project: {
        "package.json": '{"name":"x","version":"1.0.0","dependencies":{"ms":"2.1.3"}}',
        "package-lock.json": msLock,
      },
      commands: (project) => [
        [process.execPath, npm, "ci", "--no-audit", "--no-fund", "--cache", `${project}/../cache`],
      ],
      captured: "project/node_modules",
      leftOut: [],
    },
  ],
  [
    "go, which asks the checksum database",
    {
      project: goProject,
      commands: () => [["go", "mod", "download", "github.com/BurntSushi/toml@v1.3.2"]],
      env: goEnv,
      leftOut: ["checksum database of go"],
    },
  ],
  [
    "cargo, with all of its home",
    {
      project: cargoProject,
      commands: () => [["cargo", "fetch", "-q"]],
      env: (target) => ({ CARGO_HOME: target, CARGO_NET_RETRY: "0" }),
      leftOut: ["locks of cargo"],
    },
  ],
  [
    "cargo vendor",
    {
      project: cargoProject,
      commands: (_project, target) => [["cargo", "vendor", "-q", target]],
      env: (target) => ({ CARGO_HOME: `${target}-home`, CARGO_NET_RETRY: "0" }),
      leftOut: [],
    },
  ],
];

describe("two installs are one layer", { timeout: 300_000 }, () => {
  for (const [name, wanted] of kinds) {
    it(name, async (context) => {
      const first = await installed(context, wanted);
      if (first === null) return;
      expect(first.fileCount).toBeGreaterThan(2);
      const second = await installed(context, wanted);
      expect(second).toMatchObject({ digest: first.digest, existed: true });
      // Control: something was there that had to be left out.
      const what = first.leftOut.map((kind) => kind.what);
      expect(what).toEqual(expect.arrayContaining(wanted.leftOut));
    });
  }
});
