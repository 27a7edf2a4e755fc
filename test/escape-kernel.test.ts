/**
 * The kernel under a sandbox, attacked through the API by code that knows where it is. Judged on
 * the host: its settings, its programs, the namespaces and files that it sees.
 */
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./support/airlock-api.ts";
import { type EscapeHost, openEscapeHost, pause } from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import {
  expectedLines,
  harmlessTries,
  kernelTries,
  machineCodeProbe,
  mountTries,
  namespaceTries,
  processTries,
  type SyscallTry,
  syscallProbe,
} from "./support/escape-syscalls.ts";
import {
  hostSettings,
  readSettings,
  restoreSettings,
  sha256OfFile,
} from "./support/host-canary.ts";
import { processesWith, within } from "./support/processes.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const lines = (text: string) => text.trim().split("\n");
let markers = 0;
/** A duration that no other process of this machine sleeps. */
const uniqueSleep = () => `7${process.pid}.${++markers}`;

async function pidOf(marker: string): Promise<number> {
  expect(await within(5000, () => processesWith(marker).length > 0)).toBe(true);
  return processesWith(marker)[0] ?? -1;
}

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  let host: EscapeHost;
  beforeAll(async () => {
    host = await openEscapeHost(identity);
  });
  afterAll(() => host.close());

  it("changes no setting of the host's kernel", async () => {
    const before = readSettings();
    const tries = Object.entries(hostSettings).map(
      ([path, value]) => `(printf '%s' '${value}' >${path}) 2>/dev/null && echo "wrote ${path}"`,
    );
    const others = [
      "(echo 1 >/proc/sys/vm/drop_caches) 2>/dev/null && echo wrote drop_caches",
      "(echo h >/proc/sysrq-trigger) 2>/dev/null && echo wrote sysrq-trigger",
      "(echo 1 >/proc/1/oom_score_adj; echo owned >/proc/sys/kernel/hostname) 2>/dev/null",
      "sysctl -w kernel.panic=77 >/dev/null 2>&1 && echo wrote by sysctl",
    ];
    const control =
      "(printf x >/tmp/setting) && echo control; cat /proc/sys/kernel/core_pattern; true";
    try {
      const said = await host.attack([[...tries, ...others, control].join("\n")]);
      expect(readSettings()).toEqual(before);
      expect(said.stdout()).toBe(`control\n${before["/proc/sys/kernel/core_pattern"]}\n`);
    } finally {
      restoreSettings(before);
    }
  });

  it("lives in namespaces of its own, with no power over any", async () => {
    const marker = uniqueSleep();
    let seen: Record<string, string | undefined> = {};
    const own: Record<string, string> = {};
    const said = await host.attack([`sleep ${marker} & ${pause}; kill %1 || kill $!`], {
      async during() {
        const pid = await pidOf(marker);
        for (const ns of ["user", "pid", "net", "ipc", "uts", "cgroup", "mnt"]) {
          own[ns] = readlinkSync(`/proc/${pid}/ns/${ns}`);
        }
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        seen = Object.fromEntries(
          ["NoNewPrivs", "Seccomp", "CapEff", "CapPrm", "CapBnd", "CapAmb", "Uid"].map((key) => [
            key,
            new RegExp(`^${key}:\\s+(.+)$`, "m").exec(status)?.[1]?.split("\t")[0],
          ]),
        );
      },
    });
    expect(said.run.status).toBe("succeeded");
    for (const [ns, link] of Object.entries(own)) {
      expect(link).toMatch(/:\[\d+\]$/);
      expect(link).not.toBe(readlinkSync(`/proc/self/ns/${ns}`));
    }
    const none = "0000000000000000";
    expect(seen).toMatchObject({ NoNewPrivs: "1", Seccomp: "2", CapEff: none, CapPrm: none });
    expect(seen).toMatchObject({ CapBnd: none, CapAmb: none });
    const uid = Number(seen.Uid);
    if (identity.isRoot) expect(uid >= 700_000 && uid <= 765_535).toBe(true);
    else expect(uid).toBe(identity.gatewayUid);
  });

  const groups: [string, SyscallTry[]][] = [
    ["makes and enters no namespaces", namespaceTries],
    ["mounts, unmounts and moves nothing, by the old calls or the new", mountTries],
    ["cannot look into another process", processTries],
    ["finds keys, bpf, io_uring and the rest of the kernel's back doors shut", kernelTries],
  ];
  it.each(groups)("%s", async (_, tries) => {
    const said = await host.attack([python(syscallProbe([...harmlessTries, ...tries]))]);
    expect(lines(said.stdout())).toEqual(expectedLines([...harmlessTries, ...tries]));
  });

  it("gains nothing by writing into the memory of its first process", async () => {
    const write = `
import os
with open("/proc/self/mem", "r+b", 0) as mine: print("control", mine.writable())
maps = open("/proc/1/maps").read().splitlines() if os.access("/proc/1/maps", os.R_OK) else []
for line in maps:
    start, end = (int(n, 16) for n in line.split()[0].split("-"))
    if " r-xp " not in line: continue
    try:
        with open("/proc/1/mem", "r+b", 0) as memory:
            memory.seek(start)
            memory.write(b"\\xcc" * min(end - start, 4096))
    except OSError as error: pass
`;
    const said = await host.attack([python(write), "echo still here; id -u"]);
    expect(said.stdout(1)).toBe("still here\n1000\n");
    expect(said.text).toContain("control True");
    expect((await call(host.gateway, "GET", "/healthz")).status).toBe(200);
  });

  const x64 = process.arch === "x64";
  const name = x64 ? "by the numbers of 32-bit or x32 programs" : "only by this machine's numbers";
  it(`calls the kernel ${name} in vain`, async () => {
    const said = await host.attack([x64 ? python(machineCodeProbe) : "echo syscall itself"]);
    const found = lines(said.stdout());
    expect(found[0]).toBe("syscall itself");
    if (x64) {
      expect(found.slice(1)).toEqual(["x32 -38", "int80 signal 31", "int80 ptrace signal 31"]);
    }
  });

  it("leaves no setuid, setgid or device file on the host, however it is made", async () => {
    let modes: string[] = [];
    let count = 0;
    const owners = new Set<number>();
    const said = await host.attack([[makeSetuid, makeNodes, pause].join("\n")], {
      during({ directory }) {
        for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
          const path = join(entry.parentPath, entry.name);
          const stats = lstatSync(path);
          count += 1;
          if (path.includes("/made/")) owners.add(stats.uid);
          const isDevice = stats.isBlockDevice() || stats.isCharacterDevice();
          if ((stats.mode & 0o6000) !== 0 || isDevice) modes.push(path);
        }
        modes = modes.sort();
      },
    });
    expect(modes).toEqual([]);
    expect(count).toBeGreaterThan(15);
    expect(owners.has(0)).toBe(false);
    if (!identity.isRoot) expect([...owners]).toEqual([identity.gatewayUid]);
    const verdicts = lines(said.stdout()).filter((line) => /^(way|node) /.test(line));
    // The controls first: what an honest program does is done.
    expect(verdicts.filter((line) => line.startsWith("way plain"))).toEqual(["way plain 0"]);
    expect(verdicts).toContain("node fifo 0");
    expect(verdicts).toContain("node file 0");
    const wrong = verdicts.filter((line) => {
      const [kind, what, errno] = line.split(" ");
      if (what === "plain" || what === "fifo" || what === "file") return false;
      return kind === "node" ? errno !== "1" : errno !== "1" && errno !== "38";
    });
    expect(wrong).toEqual([]);
  });

  it("becomes nobody else by the setuid programs that the host has", async () => {
    const tries = ["su -c id", "sudo -n id", "pkexec id", "sg root id", "newgrp root -c id"];
    const more = ["setpriv --reuid 0 id", "capsh --uid=0 -- -c id", "unshare -r id", "chroot / id"];
    const commands = [...tries, ...more].map(
      (one) => `timeout -s KILL 1 ${one} </dev/null 2>/dev/null &`,
    );
    const reads = "wait; head -c 20 /etc/shadow; passwd -S root; true";
    const said = await host.attack([
      `${commands.join("\n")}\n${reads}`,
      "id -u; stat -c %a $(which su)",
    ]);
    expect(said.stdout()).not.toMatch(/uid=0|gid=0|root:/);
    // Control: a setuid program of the host is there to be tried, and has its bit.
    expect(said.stdout(1)).toMatch(/^1000\n4\d{3}\n$/);
    expect(statSync(realpathSync("/usr/bin/su")).mode & 0o4000).toBe(0o4000);
  });

  it("overwrites no program: neither its own, nor bwrap, nor ours", async () => {
    const runtime = join(host.gateway.dataDir, "runtime");
    const [digest = ""] = readdirSync(runtime);
    const staged = ["exec", "bin/node"].map((path) => join(runtime, digest, path));
    const programs = ["/usr/bin/bwrap", "/usr/bin/python3", "/bin/sh"].map((path) =>
      realpathSync(path),
    );
    const before = [...programs, ...staged].map(sha256OfFile);
    const modes = staged.map((path) => statSync(path).mode);
    const write = `
import os
for path in ["/proc/self/exe", "/proc/1/exe", "/proc/%d/exe" % os.getppid(), "/usr/bin/bwrap",
             "/airlock/exec", "/airlock/bin/node", "/bin/sh", "/antpath/exec"]:
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        try:
            fd = os.open(path, flags)
            os.write(fd, b"#!/bin/sh\\necho owned\\n")
            print("wrote", path)
        except OSError: pass
        try:
            held = os.open(path, os.O_PATH)
            os.close(os.open("/proc/self/fd/%d" % held, flags))
            print("reopened", path)
        except OSError: pass
    for change in (lambda: os.chmod(path, 0o777), lambda: os.utime(path), lambda: os.unlink(path),
                   lambda: os.rename("/tmp/own", path)):
        try:
            open("/tmp/own", "w").write("owned")
            change()
            print("changed", path)
        except OSError: pass
with open("/tmp/own", "w") as own: own.write("x")
os.chmod("/tmp/own", 0o777)
print("control", os.open("/tmp/own", os.O_WRONLY) > 2)`;
    const said = await host.attack([python(write)]);
    expect(said.stdout()).toBe("control True\n");
    expect([...programs, ...staged].map(sha256OfFile)).toEqual(before);
    expect(staged.map((path) => statSync(path).mode)).toEqual(modes);
  });

  it("sees no /sys, no control groups and no helper that the kernel would start", async () => {
    const marker = uniqueSleep();
    let mounts = "";
    const look =
      "ls -d /sys /sys/fs/cgroup /sys/kernel/uevent_helper /proc/sys/fs/binfmt_misc/register; " +
      "find / -xdev -name release_agent -o -name uevent_helper; " +
      "grep -E ' (cgroup2?|sysfs|debugfs|tracefs|bpf|securityfs|binfmt_misc) ' /proc/self/mounts";
    const said = await host.attack(
      [`(${look}) 2>/dev/null; echo looked; sleep ${marker} & ${pause}; kill $!`],
      {
        async during() {
          mounts = readFileSync(`/proc/${await pidOf(marker)}/mounts`, "utf8");
        },
      },
    );
    expect(lines(said.stdout())).toEqual(["looked", "PAUSED"]);
    expect(mounts).toMatch(/ \/workspace /);
    expect(mounts).not.toMatch(/^\S+ \S+ (cgroup2?|sysfs|debugfs|tracefs|bpf|securityfs) /m);
    const all = lines(mounts).map((line) => line.split(" "));
    // Sysctls have two guards, the uid and the mount: what one of them lets through is not seen.
    const readOnly = all.filter(([, , , options]) => /^ro,/.test(`${options}`));
    expect(readOnly.map(([, path]) => path)).toEqual(
      expect.arrayContaining(["/", "/usr", "/etc", "/proc/sys", "/dev", "/airlock"]),
    );
    const writable = all
      .filter(([, , type, options]) => type !== "devtmpfs" && /^rw,|,rw,/.test(`${options}`))
      .map(([, path]) => path);
    const places = ["/proc", "/dev/pts", "/dev/shm", "/run", "/var/tmp"];
    expect(writable).toEqual([...places, "/tmp", "/workspace", "/cache"]);
  });

  if (identity.isRoot) {
    it("cannot use a device that is planted in its own directory", async () => {
      const said = await host.attack(
        [`${pause}; head -c 1 /workspace/zero | wc -c; head -c 1 /dev/zero | wc -c`],
        {
          during({ directory }) {
            const path = join(directory, "workspace/zero");
            execFileSync("mknod", ["-m", "666", path, "c", "1", "5"]);
            // Control: on the host it is a working device.
            expect(execFileSync("head", ["-c", "1", path])).toEqual(Buffer.from([0]));
          },
        },
      );
      expect(lines(said.stdout())).toEqual(["PAUSED", "0", "1"]);
    });
  }
});

const makeSetuid = python(`
import ctypes, io, os, subprocess, tarfile
libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
os.makedirs("/workspace/made/below")
os.chdir("/workspace/made")
def plain(name):
    open(name, "w").write("#!/bin/sh\\n")
    os.chmod(name, 0o755)
    return name
def way(name, make):
    try: error = make() or 0
    except OSError as found: error = found.errno
    except subprocess.CalledProcessError: error = 1
    print("way", name, error, flush=True)
def raw(number, *args):
    if libc.syscall(ctypes.c_long(number), *args) < 0: return ctypes.get_errno()
def at(path): return ctypes.c_char_p(path.encode())
way("plain", lambda: plain("p") and None)
for bits in (0o4755, 0o2755, 0o6755):
    way("chmod", lambda: os.chmod(plain("a%o" % bits), bits))
    way("fchmod", lambda: os.fchmod(os.open(plain("b%o" % bits), os.O_RDONLY), bits))
    way("fchmodat", lambda: raw(53 if arm else 268, -100, at(plain("c%o" % bits)), bits))
    way("fchmodat2", lambda: raw(452, -100, at(plain("d%o" % bits)), bits, 0))
    way("open", lambda: os.close(os.open("e%o" % bits, os.O_CREAT | os.O_WRONLY, bits)))
    way("tmpfile", lambda: os.close(os.open(".", os.O_TMPFILE | os.O_WRONLY, bits)))
    way("mknod", lambda: os.mknod("f%o" % bits, 0o100000 | bits))
    how = (ctypes.c_ulonglong * 3)(0o101, bits, 0)
    way("openat2", lambda: raw(437, -100, at("g%o" % bits), how, 24))
    if not arm: way("creat", lambda: raw(85, at("h%o" % bits), bits))
    way("install", lambda: subprocess.run(
        ["install", "-m", "%o" % bits, "p", "i%o" % bits],
        check=True, stderr=subprocess.DEVNULL) and None)
    way("directory", lambda: os.chmod("below", bits))
way("symbolic", lambda: subprocess.run(
    ["chmod", "u+s,g+s", plain("s")], check=True, stderr=subprocess.DEVNULL) and None)
copies = "cp -p /usr/bin/su cp-su; cp -a /usr/bin/su cpa-su; true"
subprocess.run(copies, shell=True, stderr=subprocess.DEVNULL)
data = io.BytesIO()
with tarfile.open(fileobj=data, mode="w") as tar:
    entry = tarfile.TarInfo("from-tar")
    entry.mode = 0o6755
    tar.addfile(entry)
subprocess.run(["tar", "-xpf", "-"], input=data.getvalue(), stderr=subprocess.DEVNULL)
`);

const makeNodes = python(`
import os
def node(name, mode, device=0):
    try:
        os.mknod("/workspace/made/" + name, mode | 0o666, device)
        print("node", name, 0)
    except OSError as error: print("node", name, error.errno)
node("file", 0o100000)
node("fifo", 0o010000)
node("null", 0o020000, os.makedev(1, 3))
node("kmsg", 0o020000, os.makedev(1, 11))
node("whiteout", 0o020000, 0)
node("disk", 0o060000, os.makedev(254, 0))
`);
