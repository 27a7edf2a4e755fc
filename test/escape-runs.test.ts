/**
 * Runs that try to reach other runs, later calls, or the gateway's own tools: through shared
 * memory and directories, through arguments, and through files that programs read by themselves.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { findSecret, newCanary } from "./support/canary.ts";
import {
  type Attack,
  attacker,
  type EscapeHost,
  openEscapeHost,
  pause,
} from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import { type FileCanaries, plantFileCanaries } from "./support/host-canary.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";

/** Of System V: not what an earlier test may have left on the host. */
const ipcKey = 0x4149_0000 + (process.pid & 0xffff);

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const exec = (command: string, more: Record<string, unknown> = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});

const effect = "echo ran >>/workspace/out/ran";
const foreignArguments: Record<string, unknown>[] = [
  ...["/", "../..", "/proc/self/root", "//", "C:\\", "/tmp"].map((cwd) => ({ cwd })),
  { working_directory: "/" },
  { env: { LD_PRELOAD: "/workspace/x.so" } },
  { network: "host" },
  { mounts: ["/:/host"] },
  { user: "root", privileged: true },
];

const strange = [
  "--bind / / -- sh -c 'ls /root && echo REACHED'",
  "-- ls /root && echo REACHED",
  "--",
  "-c 'echo REACHED'",
  "--args 0",
  "--dev-bind / /",
  "--share-net",
  "--seccomp 9",
];
/** With characters that nobody sees: a person is asked about these. */
const hidden = [
  "echo one;\u0001\u001b]52;c;x\u0007 echo two",
  "printf '%s' 'caf\u00e9 \u202e \ud83d\ude80' | od -An -c | wc -l",
];
const dashFiles =
  "touch -- --bind --seccomp -- && mkdir -p ./--args '/workspace/--bind / /' && ls | sort";

const scripts = {
  arguments: {
    turns: [
      { calls: foreignArguments.map((more) => exec(effect, more)) },
      { calls: [exec(`${effect}; cat /workspace/out/ran; pwd`)] },
      { text: "Done." },
    ],
  },
  strange: {
    turns: [
      ...strange.map((command) => ({ calls: [exec(command)] })),
      { calls: [exec(dashFiles), exec("ls -d /root /home /sys; id -u")] },
      { text: "Done." },
    ],
  },
  hooks: { turns: [{ calls: [exec("echo plain"), exec(". ~/.bashrc")] }, { text: "Done." }] },
  hidden: { turns: [...hidden.map((command) => ({ calls: [exec(command)] })), { text: "Done." }] },
  environment: {
    turns: [
      {
        calls: [
          exec(". /workspace/set.sh", { network: "none" }),
          exec("env; bash -c 'echo next'; python3 -c 'print(1)'; node -p 2"),
        ],
      },
      { text: "Done." },
    ],
  },
};

/** What would be there for the next call, if anything were: in a file, since a command is asked about for it. */
const setEnvironment =
  "export BASH_ENV=/workspace/env.sh ENV=/workspace/env.sh LD_PRELOAD=/workspace/x.so " +
  "NODE_OPTIONS=--require=/workspace/evil.js PYTHONPATH=/workspace " +
  "PATH=/workspace:$PATH CANARY=1; bash -c 'echo same' 2>/dev/null; " +
  "(echo BAD=1 >>/etc/environment) 2>/dev/null; " +
  "(echo /workspace/x.so >/etc/ld.so.preload) 2>/dev/null; true";

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  let host: EscapeHost;
  let canaries: FileCanaries;
  beforeAll(async () => {
    canaries = plantFileCanaries(identity);
    host = await openEscapeHost(identity, { scripts });
  });
  afterAll(async () => {
    await host.close();
    canaries.remove();
  });

  it("finds nothing of another run, neither beside it nor after it", async () => {
    const secret = newCanary();
    const look = python(`
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
mq_open = ctypes.CDLL("librt.so.1", use_errno=True).mq_open
places = ["/dev/shm", "/tmp", "/var/tmp", "/run", "/cache", "/workspace"]
for place in places:
    path = place + "/left"
    if os.path.exists(path): print(path, open(path).read())
other = os.environ["OTHER"]
for way in ("", "/proc/1/root", "/proc/self/cwd/../../.."):
    for below in ("", "/..", "/tmp/left", "/workspace/left", "/cache/left", "/../../blobs"):
        if os.path.lexists(way + other + below): print("reached", way + other + below)
print("shm", libc.shmget(${ipcKey}, 0, 0), "msg", libc.msgget(${ipcKey}, 0), end=" ")
print("mq", mq_open(b"/left-${ipcKey}", 0))
with socket.socket(socket.AF_UNIX) as s: print("abstract", s.connect_ex("\\0left"))
print("processes", len([name for name in os.listdir("/proc") if name.isdigit()]) < 8)`);
    const plant = python(`
import ctypes, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
secret = os.environ["SECRET"].encode()
for place in ["/dev/shm", "/tmp", "/var/tmp", "/run", "/cache", "/workspace"]:
    with open(place + "/left", "wb") as file: file.write(secret)
    os.chmod(place + "/left", 0o666)
for place in ["/tmp", "/workspace", "/cache"]: os.chmod(place, 0o777)
segment = libc.shmget(${ipcKey}, 4096, 0o1666)
ctypes.memmove(libc.shmat(segment, None, 0), secret, len(secret))
queue = ctypes.CDLL("librt.so.1", use_errno=True).mq_open(b"/left-${ipcKey}", 0o102, 0o666, None)
print("planted", segment >= 0, libc.msgget(${ipcKey}, 0o1666) >= 0, queue >= 0, flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0left")
listener.listen()
if os.fork() == 0: time.sleep(60)
`);
    const expectNothing = (said: Attack) => {
      expect(findSecret(Buffer.from(said.text), secret)).toEqual([]);
      expect(said.stdout().replace("PAUSED\n", "")).toBe(
        "shm -1 msg -1 mq -1\nabstract 111\nprocesses True\n",
      );
    };
    let directory = "";
    let uids: number[] = [];
    let beside: Attack | undefined;
    const first = await host.attack([`${plant}${pause}`, "ls -d /*/left /*/*/left 2>/dev/null"], {
      facts: { SECRET: secret },
      async during(place) {
        directory = place.directory;
        beside = await host.attack([`${look}${pause}`], {
          facts: { OTHER: directory },
          during(own) {
            uids = [place, own].map((one) => statSync(join(one.directory, "workspace")).uid);
          },
        });
        expect(readFileSync("/proc/sysvipc/shm", "utf8")).not.toContain(String(ipcKey));
      },
    });
    const after = await host.attack([look], { facts: { OTHER: directory } });
    // Controls: it did plant all of it, and finds its own directories again in its next call.
    expect(first.stdout()).toContain("planted True True True\n");
    expect(first.stdout(1)).toBe("/cache/left\n/tmp/left\n/workspace/left\n");
    if (beside === undefined) throw new Error("There was no run beside");
    expectNothing(beside);
    expectNothing(after);
    expect(uids).toHaveLength(2);
    if (identity.isRoot) expect(uids[0]).not.toBe(uids[1]);
  });

  it("cannot choose where or as whom a command runs", async () => {
    const said = await host.attack([], { script: "arguments", outputDirs: ["/workspace/out"] });
    const refused = said.results.slice(0, -1);
    expect(refused).toHaveLength(foreignArguments.length);
    for (const [index, result] of refused.entries()) {
      const [name = ""] = Object.keys(foreignArguments[index] ?? {});
      expect(result).toMatchObject({ ok: false, error_type: "validation" });
      expect(JSON.stringify(result)).toContain(name);
    }
    // Control: without foreign arguments the same command runs, once, where it always does.
    expect(said.results.at(-1)).toMatchObject({ ok: true, stdout: "ran\n/tmp\n" });
  });

  it("cannot be submitted with a working or an output directory of the host", async () => {
    const valid = { model: "scripted/calls-1", prompt: "x" };
    for (const more of [
      { cwd: "/" },
      { mounts: [] },
      { env: {} },
      ...["/", "/etc", "../..", "/proc/self/root", "/tmp/../etc", "//", "C:\\"].map((dir) => ({
        outputDirs: [dir],
      })),
      { files: [{ path: "../../etc/passwd", content: "owned" }] },
      { files: [{ path: "/etc/passwd", content: "owned" }] },
    ]) {
      const answer = await call(host.gateway, "POST", "/api/runs", { ...valid, ...more });
      expect([more, answer.status]).toEqual([more, 400]);
    }
  });

  it("cannot pass options to bwrap or the shell by how a command begins", async () => {
    const said = await host.attack([], { script: "strange" });
    expect(said.run.status).toBe("succeeded");
    expect(said.results.map(({ stdout }) => stdout).join("")).not.toContain("REACHED");
    for (const result of said.results.slice(0, 8)) {
      expect(result).toMatchObject({ ok: false });
      expect([2, 126, 127]).toContain(result.exit_code);
    }
    expect(said.stdout(strange.length)).toBe("--\n--args\n--bind\n--seccomp\n");
    // Control: the files with such names are in the way of nothing.
    expect(said.stdout(strange.length + 1)).toBe("1000\n");
  });

  it("hides nothing from who is asked, or from the gateway, with characters that nobody sees", async () => {
    const client = clientOf(host.gateway);
    const run = await client.submitRun({
      ...{ model: "scripted/hidden", prompt: "Look around.", agent: attacker },
    });
    for (const [index, command] of hidden.entries()) {
      await untilEvent(run, "approval.requested", index + 1);
      const { approvals } = await client.approvals.list({ status: "pending" });
      const own = approvals.filter(({ runId }) => runId === run.id);
      expect(own).toHaveLength(1);
      for (const { id } of own) {
        const { request } = await client.approvals.get(id);
        expect(request).toMatchObject({ subject: { command } });
        await client.approvals.deny(id);
      }
    }
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    for (const result of await resultsOf(host.gateway, run.id)) {
      expect(result).toMatchObject({ ok: false, approval_rejected: true });
    }
    // In a file they run, and do what a shell does with them.
    const said = await host.attack(hidden);
    expect(said.stdout()).toMatch(/^one\n/);
    expect(said.stdout(1)).toBe("1\n");
  });

  it("gets nothing executed outside by the hooks and settings that it leaves", async () => {
    const canary = join(canaries.openDir, "executed");
    const shell = `#!/bin/sh\necho RC-READ\n: >${canary}\n`;
    const javascript = `require("fs").writeFileSync(${JSON.stringify(canary)}, "")`;
    const shellFiles = [
      ...[".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_env", ".shinit", ".zshrc"],
      ...["post-checkout", "pre-commit", "post-index-change", "fsmonitor"].map(
        (hook) => `.git/hooks/${hook}`,
      ),
    ];
    const files = [
      ...shellFiles.map((path) => ({ path, content: shell, executable: true })),
      { path: ".git/HEAD", content: "ref: refs/heads/main\n" },
      { path: ".git/config", content: "[core]\n\tfsmonitor = .git/hooks/fsmonitor\n" },
      { path: ".npmrc", content: "node-options=--require /workspace/evil.js\n" },
      { path: "package.json", content: `{"scripts":{"preinstall":"sh .bashrc"}}` },
      { path: "evil.js", content: javascript },
      { path: "sitecustomize.py", content: `open(${JSON.stringify(canary)}, "w")` },
      { path: ".claude/settings.json", content: `{"hooks":{"Stop":[{"command":"sh .bashrc"}]}}` },
      { path: ".env", content: "NODE_OPTIONS=--require=/workspace/evil.js\n" },
      { path: ".out/x", content: "x" },
    ];
    const said = await host.attack([], {
      script: "hooks",
      files,
      outputDirs: ["/workspace", "/tmp"],
    });
    expect(said.run.status).toBe("succeeded");
    expect(said.stdout()).toBe("plain\n");
    expect(existsSync(canary)).toBe(false);
    // Controls: read on purpose, it speaks; run on the host, it leaves its mark.
    expect(said.stdout(1)).toBe("RC-READ\n");
    execFileSync("sh", ["-c", shell]);
    expect(existsSync(canary)).toBe(true);
    rmSync(canary);
    expect(readdirSync(canaries.openDir)).not.toContain("executed");
  });

  it("hands no environment on from one call to the next", async () => {
    const files = [
      { path: "set.sh", content: setEnvironment },
      { path: "env.sh", content: "echo ENV-READ\n" },
      { path: "evil.js", content: "console.log('EVIL')" },
      { path: "python3", content: "#!/bin/sh\necho EVIL\n", executable: true },
    ];
    const said = await host.attack([], { script: "environment", files });
    expect(said.stdout()).toContain("ENV-READ\nsame\n");
    expect(said.stdout(1)).not.toMatch(
      /ENV-READ|EVIL|CANARY|BASH_ENV|LD_PRELOAD|NODE_OPTIONS|BAD=/,
    );
    // Their own is the SDK, and nothing that an earlier call added.
    expect(said.stdout(1)).toContain("\nPYTHONPATH=/airlock/sdk/python\n");
    expect(said.stdout(1)).toMatch(/\nnext\n1\n2\n$/);
  });
});
