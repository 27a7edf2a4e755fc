import { defineConfig } from "vitest/config";
import { compileCache } from "./test/support/compile-cache.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    // For the programs that tests start.
    env: compileCache,
    // One more than there are processors: tests of real programs wait for them a good part of their time.
    maxWorkers: 3,
    // A machine that is shared with others stands still at times. What passes only the second time is named at the end.
    retry: process.env.CI === undefined ? 0 : 1,
    // Only for what hangs: none of these is a verdict on how fast something was.
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 180_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    reporters: ["default", "./test/support/count-reporter.ts"],
  },
});
