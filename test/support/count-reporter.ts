import type { Reporter, TestModule } from "vitest/node";

/**
 * Ends every test run with one plain line of counts that a program can read, below the names of the tests that did not
 * pass the first time.
 */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    const again: string[] = [];
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const state = test.result().state;
        if (state === "passed") passed++;
        if (state === "failed") failed++;
        if (test.diagnostic()?.flaky) again.push(`${module.relativeModuleId} > ${test.fullName}`);
      }
      // A file that could not even be loaded has no tests to count, but it did not pass.
      if (module.state() === "failed" && tests.every((test) => test.result().state !== "failed")) {
        failed++;
      }
    }
    for (const name of again) process.stdout.write(`\npassed only when asked again: ${name}`);
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  }
}
