import { keepCompiled } from "./compile-cache.ts";

// Before all else is loaded: it is for that.
keepCompiled();
const { processIo, runCli } = await import("./cli/cli.ts");

const code = await runCli(process.argv.slice(2), processIo());
// What is still in a pipe is written first, then the process ends whatever is left open.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
