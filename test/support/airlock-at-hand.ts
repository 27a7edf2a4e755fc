/**
 * `airlock` as the reader of a document has it, where a test has to stand in for a person: `serve` is started as shown, on a
 * data directory, a port and an address of its own, and ended once it is ready; what asks at a terminal has one, and is
 * answered. What is told first is the program, then its arguments.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [program = "", command, ...args] = process.argv.slice(2);
process.exitCode = command === "serve" ? await serve(args) : await atTerminal();

async function serve(shown: string[]): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "airlock-served-"));
  const own = ["--data-dir", dir, "--host", "127.0.0.1", "--port", "0"];
  const child = spawn(program, ["serve", ...shown, ...own], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let isReady = false;
  child.stdout.on("data", (text: Buffer) => {
    if (isReady || !/https?:\/\/\S+:\d+/.test(text.toString())) return;
    isReady = true;
    child.kill("SIGTERM");
  });
  const code = await endOf(child);
  rmSync(dir, { recursive: true, force: true });
  return isReady ? code : 1;
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
}

/** Turns the pages, says yes to a question, and gives the first of what there is to choose. */
async function atTerminal(): Promise<number> {
  const quoted = process.argv.slice(2).map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const child = spawn("script", ["-qfec", quoted.join(" "), "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let unanswered = "";
  child.stdout.on("data", (text: Buffer) => {
    process.stdout.write(text);
    unanswered += text.toString();
    const [asked] =
      /\[y\/N\]|A number[^\n]*\(empty leaves\)|Enter shows more/.exec(unanswered) ?? [];
    if (asked === undefined) return;
    unanswered = "";
    child.stdin.write(asked === "[y/N]" ? "y\n" : asked.startsWith("A number") ? "1\n" : "\n");
  });
  return await endOf(child);
}
