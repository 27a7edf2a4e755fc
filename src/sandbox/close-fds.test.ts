import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const room = fileURLToPath(new URL("./room.testing.ts", import.meta.url));
const door = fileURLToPath(new URL("./sandbox.ts", import.meta.url));

test("what the gateway was started with does not reach a command", async () => {
  const script = `
    import { closeInheritedFds } from ${JSON.stringify(door)};
    import { openRoom } from ${JSON.stringify(room)};
    const open = async () => {
      const { run, close } = await openRoom();
      const { stdout } = await run("for fd in /proc/self/fd/*; do echo \${fd##*/}; done");
      await close();
      return stdout;
    };
    const before = await open();
    const closed = closeInheritedFds();
    const after = await open();
    console.log(JSON.stringify({ before, closed, after }));`;
  const secret = openSync("/etc/passwd", "r");
  const stdio: ("ignore" | "pipe" | "inherit" | number)[] = Array(20).fill("ignore");
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit", ...stdio, secret],
  });
  closeSync(secret);
  expect(child.stdout).not.toBeNull();
  const said = JSON.parse(await text(child.stdout as NonNullable<typeof child.stdout>));
  const numbers = (lines: string) => lines.trim().split("\n");
  // The control: without closing, the file really is open inside.
  expect(numbers(said.before)).toContain("23");
  expect(said.closed).toContain(23);
  // 3 is the shell's own, for the directory that it lists.
  expect(numbers(said.after)).toEqual(["0", "1", "2", "3"]);
});
