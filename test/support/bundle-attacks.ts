/**
 * What hostile code would do to the skills and files that it was given: `hello` with a SKILL.md, `tables` with a.csv and
 * sub/, an inline one at /opt/mine and files at /workspace/data.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Reachable } from "./airlock-api.ts";
import { resultsOf } from "./results-of.ts";

/** Each line of Python is tried on its own: what it is named by is printed when it was done. */
const tried = (...lines: string[]) =>
  [
    "import ctypes, os",
    "libc = ctypes.CDLL(None, use_errno=True)",
    "def mount(*words):",
    "  if libc.mount(*words) != 0: raise OSError(ctypes.get_errno(), 'mount')",
    ...lines.map(
      (line) => `try:\n  ${line}\n  print(${JSON.stringify(line)})\nexcept OSError: print("no")`,
    ),
  ].join("\n");

const skillMd = "'/airlock/skills/hello/SKILL.md'";
const attacks = [
  `open(${skillMd}, 'w')`,
  `open(${skillMd}, 'a')`,
  `open(${skillMd}, 'r+')`,
  "open('/airlock/skills/hello/new', 'w')",
  "open('/opt/mine/SKILL.md', 'w')",
  "os.mkdir('/airlock/skills/other')",
  "os.symlink('/tmp', '/airlock/skills/link')",
  `os.link(${skillMd}, '/tmp/link')`,
  `os.chmod(${skillMd}, 0o666)`,
  "os.chmod('/airlock/skills/hello', 0o777)",
  `os.chown(${skillMd}, 1000, 1000)`,
  `os.utime(${skillMd}, (1, 1))`,
  `os.rename(${skillMd}, '/tmp/gone')`,
  "os.rename('/airlock/skills/hello', '/airlock/skills/moved')",
  "os.rename('/workspace/data', '/workspace/moved')",
  `os.unlink(${skillMd})`,
  "os.rmdir('/airlock/files/tables/sub')",
  "os.truncate('/airlock/files/tables/a.csv', 0)",
  `os.setxattr(${skillMd}, 'user.x', b'x')`,
  "mount(b'/tmp', b'/airlock/skills/hello', None, 4096, None)",
  "mount(None, b'/airlock/skills/hello', None, 32 | 4096, None)",
  "os.replace('/tmp/attack.py', '/workspace/data/a.csv')",
];
const controls = [
  "open('/tmp/control', 'w')",
  "os.chmod('/tmp/control', 0o666)",
  "os.utime('/tmp/control', (1, 1))",
  "os.mkdir('/workspace/control')",
  "os.rename('/workspace/control', '/workspace/moved')",
  "os.link('/tmp/control', '/tmp/link')",
  "os.unlink('/tmp/control')",
];
const python = (name: string, lines: string[]) => [
  { tool: "content_write", arguments: { name, content: tried(...lines) } },
  { tool: "sandbox_exec", arguments: { command: `python3 ${name}`, network: "none" } },
];

/** For a model that plays it. */
export const attackPart = [
  [...python("attack.py", attacks), ...python("control.py", controls)],
  "Done.",
];

/** None of it was done; the same ways of trying succeed where they may. */
export async function expectUnharmed(gateway: Reachable, runId: string): Promise<void> {
  const [, attacked, , control] = await resultsOf(gateway, runId);
  expect(attacked?.stdout).toBe("no\n".repeat(attacks.length));
  expect(control?.stdout).toBe(controls.map((line) => `${line}\n`).join(""));
}

/** Every byte and mode below a directory, as one name. */
export function stateOf(directory: string): string {
  const lines = readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => {
      const { mode, mtimeMs, isFile } = Object.assign(statSync(path), {});
      const bytes = statSync(path).isFile() ? readFileSync(path) : Buffer.alloc(0);
      return [path, mode, mtimeMs, String(isFile), bytes.toString("hex")].join(" ");
    });
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}
