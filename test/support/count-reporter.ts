import type { Reporter, TestModule } from "vitest/node";

/** Ends every test run with one plain line of counts that a program can read. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const state = test.result().state;
        if (state === "passed") passed++;
        if (state === "failed") failed++;
      }
      // A file that could not even be loaded has no tests to count, but it did not pass.
      if (module.state() === "failed" && tests.every((test) => test.result().state !== "failed")) {
        failed++;
      }
    }
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  }
}
