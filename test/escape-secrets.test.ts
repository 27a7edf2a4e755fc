/**
 * What the gateway has and what lies on its host, looked for by code in a run: environment, command
 * line, files, descriptors, keys, the terminal, other tenants' names. Everything that came back is
 * searched for canaries, in the run's answers and in all that the gateway kept of them.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { findSecret, newCanary } from "./support/canary.ts";
import { type Attack, type EscapeHost, openEscapeHost } from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import {
  type CarelessStart,
  carelessStart,
  inheritedFds,
  terminalControl,
} from "./support/escape-launcher.ts";
import { type FileCanaries, plantFileCanaries } from "./support/host-canary.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;

const CLOSE_ON_EXEC = 0o2000000;

/** Empty when it was closed between the two looks. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  const environmentCanary = newCanary();
  const keyCanary = newCanary();
  let canaries: FileCanaries;
  let careless: CarelessStart;
  let host: EscapeHost;

  beforeAll(async () => {
    canaries = plantFileCanaries(identity);
    careless = carelessStart(identity, {
      directory: canaries.openDir,
      preciousFile: join(canaries.home, ".netrc"),
      key: keyCanary,
    });
    host = await openEscapeHost(identity, {
      program: careless.program,
      env: { ...careless.env, HOME: canaries.home, AIRLOCK_CANARY: environmentCanary },
    });
  });
  afterAll(async () => {
    await host.close();
    canaries.remove();
  });

  /** None of the secrets is in what came back, nor in what the gateway kept of it. */
  function expectNothingOf(said: Attack, secrets: readonly string[]): void {
    expect(said.run.status).toBe("succeeded");
    const found = secrets.filter((secret) => findSecret(Buffer.from(said.text), secret).length > 0);
    expect(found).toEqual([]);
    expect(host.keptSecrets(secrets)).toEqual([]);
  }

  it("finds nothing of the gateway's environment", async () => {
    const look =
      "env; cat /proc/*/environ /proc/*/task/*/environ 2>/dev/null | tr '\\0' '\\n'; " +
      'MARK=control sh -c \'tr "\\0" "\\n" </proc/self/environ\' | grep MARK';
    const said = await host.attack([look, "tr '\\0' '\\n' </proc/1/environ"]);
    expectNothingOf(said, [environmentCanary, keyCanary]);
    expect(said.stdout()).not.toMatch(/^AIRLOCK_/m);
    expect(said.stdout()).toContain("MARK=control\n");
    expect(said.stdout(1)).toBe("PATH=/usr/bin:/bin\n");
    // Control: the gateway does have it.
    const environ = readFileSync(`/proc/${host.gateway.pid}/environ`);
    expect(environ.includes(environmentCanary)).toBe(true);
  });

  it("finds no path and no secret of the host on any command line", async () => {
    const said = await host.attack([
      "cat /proc/*/cmdline /proc/*/comm 2>/dev/null | tr '\\0' '\\n'",
    ]);
    expect(said.stdout()).toContain("--args\n");
    for (const secret of [
      host.gateway.dataDir,
      host.gateway.token,
      canaries.openDir,
      said.run.id,
    ]) {
      expect(said.stdout()).not.toContain(secret);
    }
  });

  it("reaches no file of the host, private or open to all, by any way round", async () => {
    const { dataDir } = host.gateway;
    const other = newCanary();
    const earlier = await host.attack(["cat ~/secret >~/out/kept"], {
      files: [{ path: "secret", content: other }],
      outputDirs: ["/workspace/out"],
      submission: { prompt: other },
    });
    expect(earlier.run.status).toBe("succeeded");
    const ours = ["admin-token", "key", "airlock.db", "airlock.db-wal", "lock.db", "script.json"];
    const paths = [...canaries.paths(), ...ours.map((name) => join(dataDir, name))];
    const directories = [dataDir, join(dataDir, "blobs"), join(dataDir, "runs")];
    const system = ["/etc/shadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.bashrc", "/root"];
    const tries = python(`
import os
found = []
ways = ["", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../..", "/proc/1/cwd",
        "/workspace/../..", "/dev/fd/0/../../..", "/proc/self/fd/1/../../../.."]
for path in ${JSON.stringify([...paths, ...system, ...directories])}:
    for way in ways:
        try:
            if os.path.isdir(way + path): found.append((way + path, os.listdir(way + path)))
            else: found.append((way + path, open(way + path, "rb").read(4096)))
        except OSError: pass
print(found)
print(open("/workspace/own").read())`);
    const walk = python(`
import os, re
seen = 0
for top, directories, files in os.walk("/"):
    if top == "/": directories[:] = [d for d in directories if d not in ("usr", "proc", "airlock")]
    for name in files:
        path = os.path.join(top, name)
        if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
            seen += 1
            try: data = open(path, "rb").read()
            except OSError: continue
            for canary in re.findall(rb"sk-canary-[\\w-]+", data): print(path, canary.decode())
print("seen", seen > 10)`);
    const control = newCanary();
    const said = await host.attack([tries, walk], {
      files: [{ path: "own", content: control }],
    });
    expect(said.stdout()).toBe(`[]\n${control}\n`);
    expect(said.stdout(1)).toBe(`/workspace/own ${control}\nseen True\n`);
    const secrets = [...canaries.secrets(), host.gateway.token];
    expectNothingOf(said, secrets);
    expect(findSecret(Buffer.from(said.text), other)).toEqual([]);
    // Controls: the canaries are there for whoever is on the host.
    expect(canaries.changed()).toEqual([]);
    expect(canaries.secrets().length).toBeGreaterThan(3);
    expect(existsSync(join(dataDir, "key"))).toBe(true);
    expect(host.keptSecrets([other]).length).toBeGreaterThan(0);
  });

  it("gets no descriptor that the gateway was started with or has open", async () => {
    const look = python(`
import os
open_now = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
print("open", [fd for fd in open_now if fd > 2 and os.path.exists("/proc/self/fd/%d" % fd)])
for fd in range(3, 1024):
    try: print(fd, os.pread(fd, 200, 0))
    except OSError: pass
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    try: fds = os.listdir("/proc/%s/fd" % pid)
    except OSError: continue
    for fd in fds:
        path = "/proc/%s/fd/%s" % (pid, fd)
        try: target = os.readlink(path)
        except OSError: continue
        if target.startswith("pipe:") or target.startswith("/proc/"): continue
        try: print(target, os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 200))
        except OSError as error: print(target, error.errno)
held = os.open("/workspace/own", os.O_RDONLY)
print(os.pread(held, 200, 0))`);
    const control = newCanary();
    const said = await host.attack([look], { files: [{ path: "own", content: control }] });
    expectNothingOf(said, canaries.secrets());
    expect(said.stdout()).toContain("open []\n");
    expect(said.stdout()).toContain(control);
    expect(said.stdout()).not.toMatch(/^\d+ |airlock\.db|lock\.db|socket:|\.netrc/m);
    // Controls: the gateway has its database open; what it was handed it let go, or passes on to
    // nobody.
    const { pid } = host.gateway;
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    expect(targets.some((target) => target.endsWith("/airlock.db"))).toBe(true);
    for (const fd of inheritedFds.filter((one) => existsSync(`/proc/${pid}/fd/${one}`))) {
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"));
      expect(Number.parseInt(flags?.[1] ?? "0", 8) & CLOSE_ON_EXEC).toBe(CLOSE_ON_EXEC);
    }
  });

  it("reads no key of the session that the gateway was started in", async () => {
    const serial = careless.keySerial();
    const look = python(`
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
keyctl, request = (250, 249) if os.uname().machine == "x86_64" else (219, 218)
buffer = ctypes.create_string_buffer(200)
for operation, key in [(11, ${serial}), (11, -3), (11, -4), (6, ${serial}), (6, -3), (0, -3)]:
    size = libc.syscall(keyctl, operation, key, buffer, 200)
    print(size, ctypes.get_errno(), buffer.raw[:max(size, 0)])
print(libc.syscall(request, b"user", b"airlock-canary", None, -3), ctypes.get_errno())
for path in ("/proc/keys", "/proc/key-users"):
    try: print(len(open(path).read()))
    except PermissionError: print("covered")`);
    const said = await host.attack([look]);
    expectNothingOf(said, [keyCanary]);
    expect(serial).toBeGreaterThan(0);
    expect(said.stdout().trim().split("\n")).toEqual([
      ...Array.from({ length: 6 }, () => "-1 1 b''"),
      "-1 1",
      "covered",
      "covered",
    ]);
  });

  it("pushes nothing into the terminal that the gateway was started on", async () => {
    const push = python(`
import ctypes, fcntl, os, pty, struct, termios
libc = ctypes.CDLL(None, use_errno=True)
ioctl = 16 if os.uname().machine == "x86_64" else 29
def push(fd, name):
    for request in (0x5412, 0x5412 | 1 << 32, 0x5412 | 0xdead << 32, 0x541c, 0x541d, 0x5423):
        for byte in b"owned\\n":
            one = ctypes.create_string_buffer(bytes([byte]))
            ctypes.set_errno(0)
            libc.syscall(ctypes.c_long(ioctl), ctypes.c_long(fd), ctypes.c_ulong(request), one)
        print(name, hex(request & 0xffffffff), ctypes.get_errno(), flush=True)
try:
    tty = os.open("/dev/tty", os.O_RDWR)
    os.write(tty, b"owned\\n")
    print("tty")
    push(tty, "tty")
except OSError as error: print("tty", error.errno)
for fd in (0, 1, 2): push(fd, "fd")
child, master = pty.fork()
if child == 0:
    push(0, "pty")
    print("size", len(fcntl.ioctl(0, termios.TIOCGWINSZ, b"\\0" * 8)), flush=True)
    print("input", struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, b"\\0" * 4))[0], flush=True)
    os._exit(0)
text = b""
while True:
    try: piece = os.read(master, 4096)
    except OSError: break
    if not piece: break
    text += piece
print(text.decode().replace("\\r", ""))`);
    const said = await host.attack([push]);
    const lines = said.stdout().trim().split("\n");
    expect(lines[0]).toBe("tty 6");
    const errors = lines.filter((line) => /^(fd|pty) 0x/.test(line));
    expect(errors).toHaveLength(24);
    expect(errors.filter((line) => !line.endsWith(" 1"))).toEqual([]);
    // Controls: the same program asks its own terminal for its size; the launcher's words arrived.
    expect(lines).toContain("size 8");
    expect(lines).toContain("input 0");
    expect(careless.terminal().replaceAll("\r", "")).toBe(`${terminalControl}\n`);
  });

  it("learns no name of a tenant, prompt or model from its mounts and groups", async () => {
    const tenant = "tenant-acme-4711";
    const prompt = newCanary();
    const client = clientOf(host.gateway);
    const token = await client.tokens.create({
      name: "token-of-acme",
      scopes: ["runs"],
      workspace: tenant,
    });
    const look =
      "cat /proc/self/mountinfo /proc/self/mounts /proc/self/cgroup /proc/1/mountinfo; " +
      "ls -l /proc/*/fd /proc/*/cwd; cat /etc/hostname /proc/sys/kernel/hostname; hostname";
    const said = await host.attack([`(${look}) 2>&1; true`], {
      submission: { prompt, metadata: { customer: "metadata-of-acme" } },
      as: { url: host.gateway.url, token: token.secret },
    });
    expect(said.stdout()).toMatch(/ \/workspace /);
    expect(said.stdout()).toContain(said.run.id);
    for (const name of [tenant, prompt, "acme", "calls-1", "scripted", token.secret]) {
      expect(said.stdout()).not.toContain(name);
    }
    expect(said.stdout()).toMatch(/\nsandbox\n$/);
    // Control: all of it is known outside.
    expect(token.token.workspaceName).toBe(tenant);
    expect(said.run).toMatchObject({ model: "scripted/calls-1", submission: { prompt: [prompt] } });
  });
});
