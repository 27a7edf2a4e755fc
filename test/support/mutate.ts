import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { tempDir } from "./temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");

/** One change of the code, and what the tests said to it. */
interface Mutant {
  mutatorName: string;
  replacement?: string;
  status: "Killed" | "Timeout" | "Survived" | "NoCoverage" | "CompileError" | "RuntimeError";
  location: { start: { line: number; column: number } };
}

interface Report {
  files: Record<string, { mutants: Mutant[] }>;
}

export interface Mutated {
  /** How many changes a test noticed. */
  noticed: number;
  /** What no test noticed, each as `file:line:column mutator -> replacement`. */
  missed: string[];
}

/**
 * Changes the code in every way that Stryker knows, one at a time in a copy, and runs the tests that reach the change.
 * `files` and `tests` are patterns from the root of the repository.
 */
export async function mutate(files: string[], tests: string[]): Promise<Mutated> {
  const dir = await tempDir("mutants");
  const config = join(dir, "stryker.json");
  const report = join(dir, "report.json");
  const vitest = join(dir, "vitest.config.mjs");
  const options = {
    ...{ mutate: files, plugins: ["@stryker-mutator/vitest-runner"] },
    ...{ testRunner: "vitest", coverageAnalysis: "perTest", concurrency: 2 },
    vitest: { related: false, pool: "threads", configFile: vitest },
    // The copy needs what the tests of rooms need, and no more.
    ignorePatterns: [
      ...["**", "!src/**", "!test/support/**", "!runtime/**"],
      ...["!package.json", "!tsconfig.json"],
    ],
    // Read with an API that TypeScript 7 does not have, to mend paths that we do not use.
    tsconfigFile: "none.json",
    // A change that makes a loop endless is noticed after this; a busy machine must not look like one.
    ...{ timeoutMS: 10_000, timeoutFactor: 3 },
    ...{ tempDirName: join(dir, "copies"), reporters: ["json", "progress-append-only"] },
    jsonReporter: { fileName: report },
    allowConsoleColors: false,
  };
  writeFileSync(config, JSON.stringify(options));
  // Not as `testFiles` of Stryker: it would switch changes of constants on only after the constants were made.
  writeFileSync(vitest, `export default ${JSON.stringify({ test: { include: tests } })};\n`);
  const stryker = join(root, "node_modules/@stryker-mutator/core/bin/stryker.js");
  await promisify(execFile)(process.execPath, [stryker, "run", config], {
    ...{ cwd: root, maxBuffer: 64 * 1024 * 1024 },
    // A long form in each of a thousand runs would take days.
    env: { ...process.env, AIRLOCK_SOAK: "0" },
  });
  return judge(JSON.parse(readFileSync(report, "utf8")) as Report);
}

function judge(report: Report): Mutated {
  const mutants = Object.entries(report.files).flatMap(([file, { mutants }]) =>
    mutants.map((mutant) => ({ file, ...mutant })),
  );
  const noticed = mutants.filter(({ status }) => status === "Killed" || status === "Timeout");
  const missed = mutants.filter(({ status }) => status === "Survived" || status === "NoCoverage");
  return {
    noticed: noticed.length,
    missed: missed.map(({ file, location: { start }, mutatorName, replacement = "" }) => {
      const what = replacement.replace(/\s+/g, " ").slice(0, 80);
      return `${file}:${start.line}:${start.column} ${mutatorName} -> ${what}`;
    }),
  };
}
