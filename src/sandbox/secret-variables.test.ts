import { createHash } from "node:crypto";
import { existsSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { commandFrame } from "./frame.ts";
import { openOne } from "./open-one.ts";
import { closeHost, openHost } from "./open-sandbox.ts";
import { provisionPlace } from "./places.ts";
import { processTree, waitUntil } from "./processes.ts";
import {
  newDataDir,
  openRoom,
  optionsFor,
  processesWith,
  type Room,
  removeAll,
  runUid,
  testLimits,
} from "./room.testing.ts";
import { bareSurroundings, type ExecRequest, secretVariableProblem } from "./sandbox.ts";

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room.close());

async function run(command: string, more: Partial<ExecRequest> = {}) {
  const { signal } = new AbortController();
  const request = { command, limits: testLimits, signal, ...more };
  const { end, stdout, stderr } = await room.sandbox.exec(room.place, request);
  return { end, stdout: stdout.kept.toString(), stderr: stderr.kept.toString() };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("the variables that can hold a secret", () => {
  it.each(["API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "PGPASSWORD", "line"])(
    "are those that mean nothing to the sandbox, such as %s",
    (name) => expect(secretVariableProblem(name)).toBeUndefined(),
  );

  it.each([
    ...["NODE_AUTH_TOKEN", "CARGO_REGISTRY_TOKEN", "TWINE_PASSWORD", "GIT_TOKEN", "GOOGLE_API_KEY"],
    ...["PIPELINE_TOKEN", "HISTORIAN", "ENV_KEY", "PATH_TOKEN", "LDAP_PASSWORD", "SSL_KEY"],
  ])("are not taken for a reserved one that looks like it: %s", (name) =>
    expect(secretVariableProblem(name)).toBeUndefined(),
  );

  it.each([
    ...["PATH", "HOME", "TMPDIR", "SHELL", "CARGO_HOME", "npm_config_cache", "PYTHONUSERBASE"],
    ...["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "GLIBC_TUNABLES"],
    ...["BASH_ENV", "ENV", "IFS", "PS4", "SHELLOPTS", "BASHOPTS", "BASH_FUNC_x"],
    ...["UID", "EUID", "PPID", "_", "TMOUT", "LC_ALL", "POSIXLY_CORRECT", "airlock_text"],
    ...["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NODE_USE_ENV_PROXY"],
    ...["npm_config_https_proxy", "NPM_CONFIG_REGISTRY", "PIP_INDEX_URL", "UV_INDEX", "GOPROXY"],
    ...["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"],
    ...["NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT"],
    ...["JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "EDITOR", "SSH_ASKPASS"],
  ])("are not %s", (name) => expect(secretVariableProblem(name)).toEqual(expect.any(String)));

  it("are checked again before anything starts, without a word of the value", async () => {
    const big = "x".repeat(limits.secretEnvironmentBytes);
    const clash = { ...bareSurroundings, environment: { MODEL_KEY: "set" } };
    const refused: Partial<ExecRequest>[] = [
      { secrets: { LD_PRELOAD: "hunter22" } },
      { secrets: { "A B": "hunter22" } },
      { secrets: { A: "hunter22\0" } },
      { secrets: { A: big, B: "hunter22" } },
      { secrets: { MODEL_KEY: "hunter22" }, surroundings: clash },
    ];
    for (const more of refused) {
      const error = await run("touch ran", more).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "invalid_request" });
      expect(String(error)).not.toContain("hunter22");
    }
    expect(existsSync(join(room.place.tmp, "ran"))).toBe(false);
  });
});

describe("a command with secrets", () => {
  it("finds them byte for byte, and so does what it starts", async () => {
    const hard = ["\n", "\r", " ", "\\", "'", '"', "$(id)", "`id`", "end\n", "1 X\n", "é", "🦀"];
    const value = fc
      .array(fc.oneof(fc.constantFrom(...hard), fc.string({ unit: "grapheme" })), { maxLength: 30 })
      .map((parts) => parts.join("").replaceAll("\0", ""));
    await fc.assert(
      fc.asyncProperty(value, value, async (a, line) => {
        const secrets = { A: a, line };
        const look = 'printf %s "$A"|sha256sum; sh -c \'printf %s "$line"|sha256sum\'; echo $#';
        const { stdout } = await run(look, { secrets });
        expect(stdout).toBe(`${sha256(a)}  -\n${sha256(line)}  -\n0\n`);
      }),
      { numRuns: 25 },
    );
  });

  it("finds as many and as large ones as there may be", async () => {
    const one = "0123456789abcdef".repeat(4096);
    const many = Array.from({ length: 8 }, (_, n): [string, string] => [`KEY_${n}`, one]);
    const { stdout } = await run('printf %s "$KEY_0$KEY_7" | sha256sum; true | cat', {
      secrets: Object.fromEntries(many),
    });
    expect(stdout).toBe(`${sha256(one + one)}  -\n`);
  });

  it("leaves its shell as it finds it without, but for them", async () => {
    const look = "set | grep -v '^BASH\\|^_=\\|^PPID\\|^RANDOM\\|^SECONDS\\|^EPOCH\\|^SRANDOM'";
    const [without, held] = [await run(look), await run(look, { secrets: { A: "value-1" } })];
    expect(held.stdout).toBe(`A=value-1\n${without.stdout}`);
    const broken = await run("true\nif", { secrets: { A: "value-1\nvalue-2" } });
    expect(broken.stderr).toMatch(/line [23]: syntax error/);
    expect(broken.stderr).not.toContain("value");
  });

  it("may take the sandbox that waits, in which they never were before, and the next one has none", async () => {
    const own = () => new Set(processTree(process.pid).map(({ pid }) => pid));
    const waiting = () => processesWith("read -r airlock_lines").filter((pid) => own().has(pid));
    room.sandbox.prepare(room.place, testLimits);
    expect(await waitUntil(() => waiting().length === 1, 20_000, systemClock)).toBe(true);
    const namespace = readlinkSync(`/proc/${waiting()[0]}/ns/pid`);
    const look = "readlink /proc/self/ns/pid; tr '\\0' '\\n' </proc/$$/cmdline; echo \"[$A]\"";
    const first = await run(look, { secrets: { A: "value-one" } });
    expect(first.stdout.split("\n")[0]).toBe(namespace);
    expect(first.stdout.match(/value-one/g)).toHaveLength(1);
    expect((await run(look)).stdout).toMatch(/\[\]\n$/);
  });

  it("is not run when its frame was cut short anywhere", async () => {
    const dataDir = newDataDir();
    const host = await openHost(optionsFor(dataDir));
    try {
      const request = { runId: "run_cut", uid: runUid, outputDirs: [], files: [], own: [] };
      const place = await provisionPlace(host, request);
      const runs = async (bytes: string) => {
        const sandbox = await openOne(host, place, testLimits, bareSurroundings, () => undefined);
        for (const pipe of [sandbox.stdout, sandbox.stderr]) pipe.drain();
        sandbox.spawned.hear.end(bytes);
        const { launched } = await sandbox.spawned.ended;
        await sandbox.close();
        return launched || existsSync(join(place.tmp, "ran"));
      };
      const frame = commandFrame("touch /tmp/ran", { A: "a\nend\n", B: "touch /tmp/ran\nend" });
      for (let length = 0; length < frame.length; length++) {
        expect([length, await runs(frame.slice(0, length))]).toEqual([length, false]);
      }
      expect(await runs(frame)).toBe(true);
    } finally {
      await closeHost(host);
      removeAll(dataDir);
    }
  }, 180_000);
});

describe("what a command says", () => {
  it("goes through a cleaner of its own for each stream, before it is kept, counted or shown", async () => {
    const live: string[] = [];
    const upper = () => {
      let held = "";
      return {
        push(chunk: Uint8Array) {
          held += Buffer.from(chunk).toString("latin1").replaceAll("x", "");
          const said = held.slice(0, -1);
          held = held.slice(-1);
          return Buffer.from(said.toUpperCase());
        },
        end: () => Buffer.from(`${held}!`),
      };
    };
    const { signal } = new AbortController();
    const result = await room.sandbox.exec(room.place, {
      ...{
        command: "printf abxcd; sleep 0.1; printf exf; printf gh >&2",
        limits: testLimits,
        signal,
      },
      onOutput: (stream, offset, text) => live.push(`${stream} ${offset} ${text}`),
      cleaner: upper,
    });
    expect(result.stdout).toMatchObject({ kept: Buffer.from("ABCDEf!"), totalBytes: 7 });
    expect(result.stderr).toMatchObject({ kept: Buffer.from("Gh!"), totalBytes: 3 });
    const said = live.filter((line) => line.startsWith("stdout")).map((line) => line.split(" "));
    expect(said.map(([, , text]) => text).join("")).toBe("ABCDEf!");
    expect(said.map(([, offset]) => Number(offset))).toEqual(
      said.map((_, n) => said.slice(0, n).reduce((sum, [, , text = ""]) => sum + text.length, 0)),
    );
  });
});
