import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openRoom, processesWith, type Room, testLimits, uniqueSleep } from "./room.testing.ts";

const MiB = 1024 * 1024;
let room: Room;

beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room.close());

const exited = (exitCode: number) => ({ type: "exited", exitCode });
const killed = (reason: string) => ({ type: "killed", reason });

describe("a command", () => {
  test("says what it has to say and ends with its exit code", async () => {
    const said = await room.run("echo hello; echo sorry >&2; exit 7");
    expect(said).toMatchObject({ end: exited(7), stdout: "hello\n", stderr: "sorry\n" });
    expect(said.result.stdout).toMatchObject({ totalBytes: 6, tail: Buffer.alloc(0) });
  });

  test("that is killed by a signal ends with 128 and its number", async () => {
    expect((await room.run("kill -TERM $$")).end).toEqual(exited(143));
  });

  test("that does not exist ends with 127, which is its own exit code", async () => {
    expect((await room.run("no-such-program-here")).end).toEqual(exited(127));
  });

  test("that cannot be passed on whole is refused before anything starts", async () => {
    for (const command of ["echo a\0b", "#".repeat(200_000)]) {
      await expect(room.run(command)).rejects.toMatchObject({ code: "invalid_request" });
    }
    expect((await room.run(`true ${"#".repeat(100_000)}`)).end).toEqual(exited(0));
  });

  test("finds an empty standard input and a place to open its output again", async () => {
    const said = await room.run("cat; echo one >/dev/stdout; echo two | tee /dev/stderr");
    expect(said).toMatchObject({ end: exited(0), stdout: "one\ntwo\n", stderr: "two\n" });
  });

  test("can hold quotes, line breaks and leading dashes", async () => {
    const said = await room.run(`--help 2>/dev/null\nprintf '%s|' "a 'b'" "--bind" '$HOME'`);
    expect(said).toMatchObject({ end: exited(0), stdout: "a 'b'|--bind|$HOME|" });
  });

  test("works in /tmp with HOME in /workspace, and finds there what the one before left", async () => {
    await room.run("echo kept >/tmp/a; echo too >~/b; echo cached >/cache/c");
    const said = await room.run("pwd; echo $HOME; cat a /workspace/b /cache/c");
    expect(said.stdout).toBe("/tmp\n/workspace\nkept\ntoo\ncached\n");
  });

  test("has python3, node and git where the host has them, and always node", async () => {
    const said = await room.run("node -p 1+1; /airlock/bin/node -p 'process.version'");
    expect(said).toMatchObject({ end: exited(0), stdout: `2\n${process.version}\n` });
  });
});

describe("isolation", () => {
  test("the environment is ours alone, also that of the first process", async () => {
    process.env.AIRLOCK_CANARY = "canary-4711";
    const said = await room.run("env; cat /proc/1/environ /proc/*/environ; cat /proc/1/cmdline");
    delete process.env.AIRLOCK_CANARY;
    expect(said.stdout).toContain("PIP_BREAK_SYSTEM_PACKAGES=1");
    expect(said.stdout).not.toContain("canary-4711");
    expect(said.stdout).not.toContain("AIRLOCK");
    expect(said.stdout).not.toContain(room.dataDir);
    const first = await room.run("tr '\\0' ';' </proc/1/environ");
    expect(first.stdout).toBe("PATH=/usr/bin:/bin;");
  });

  test("nothing of the host's files is there, and nothing of the system is writable", async () => {
    const look =
      "for p in /etc/shadow /root /home /var/lib /sys /run/dbus; do ls -d $p; done; true";
    expect((await room.run(`${look} 2>/dev/null`)).stdout).toBe("");
    const write =
      "for p in /x /usr/x /etc/x /dev/x /airlock/x /opt /proc/sys/kernel/core_pattern " +
      "/proc/sys/kernel/hostname; do (echo x >$p) 2>/dev/null && echo $p; done; true";
    expect((await room.run(write)).stdout).toBe("");
  });

  test("the kernel's own talk is covered", async () => {
    const said = await room.run("cat /proc/cmdline /proc/keys /proc/kallsyms 2>/dev/null | wc -c");
    expect(said.stdout.trim()).toBe("0");
  });

  test("no network leads anywhere, and nothing answers", async () => {
    const said = await room.run("tail -n +2 /proc/net/route; grep -v ' lo$' /proc/net/if_inet6");
    expect(said.stdout).toBe("");
    const talk = await room.run("exec 3<>/dev/tcp/127.0.0.1/22 || exit 9");
    expect(talk.end).toEqual(exited(9));
  });

  test("killing everything kills nothing outside", async () => {
    expect((await room.run("kill -9 -1; sleep 5")).end).toMatchObject({ type: "exited" });
  });

  test("memory filesystems are small", async () => {
    const fill = (path: string) => `dd if=/dev/zero of=${path}/fill bs=1M count=200 2>/dev/null`;
    const script = ["/dev/shm", "/run", "/var/tmp"].map((p) => `${fill(p)} && echo ${p}`).join(";");
    expect((await room.run(`${script}; true`)).stdout).toBe("");
  });

  test("setuid bits cannot be made", async () => {
    const said = await room.run("touch s && chmod 755 s && chmod 4755 s");
    expect(said.end).toEqual(exited(1));
    expect(statSync(join(room.place.tmp, "s")).mode & 0o7777).toBe(0o755);
  });
});

describe("an end", () => {
  test("comes when the first process does; what it left in the background dies", async () => {
    const [a, b, c] = [uniqueSleep(), uniqueSleep(), uniqueSleep()];
    const left = `sleep ${a} & (setsid sh -c 'trap "" TERM HUP; sleep ${b}' &) ; nohup sleep ${c} &`;
    const started = performance.now();
    expect((await room.run(`${left} sleep 0.2; exit 5`)).end).toEqual(exited(5));
    expect(performance.now() - started).toBeLessThan(5000);
    for (const marker of [a, b, c]) expect(processesWith(marker)).toEqual([]);
  });

  test("waits for the process, not for its output", async () => {
    const said = await room.run("exec >&- 2>&-; sleep 0.3; exit 6");
    expect(said.end).toEqual(exited(6));
    expect(said.result.durationMs).toBeGreaterThan(250);
  });

  test("a timeout ends the whole tree within a second", { retry: 3 }, async () => {
    const marker = uniqueSleep();
    const tree = `for i in 1 2 3 4 5; do (setsid sleep ${marker} &); done; sleep ${marker}`;
    const said = await room.run(tree, { timeoutMs: 500 });
    expect(said.end).toEqual(killed("timeout"));
    expect(said.result.durationMs).toBeLessThan(1500);
    expect(processesWith(marker)).toEqual([]);
  });

  test("a cancelled command is ended, and one cancelled before never starts", async () => {
    const marker = uniqueSleep();
    const cancel = new AbortController();
    const command = { command: `echo up; sleep ${marker}`, limits: testLimits };
    const result = await room.sandbox.exec(room.place, {
      ...{ ...command, signal: cancel.signal },
      onOutput: () => cancel.abort(),
    });
    expect(result.end).toEqual(killed("cancelled"));
    expect(processesWith(marker)).toEqual([]);
    const late = await room.run("touch /tmp/never", {}, cancel.signal);
    expect(late.end).toEqual(killed("cancelled"));
    expect(existsSync(join(room.place.tmp, "never"))).toBe(false);
  });

  test("cancelling at any instant of the start leaves nothing behind", async () => {
    const marker = uniqueSleep();
    for (let ms = 0; ms < 25; ms++) {
      const said = await room.run(`sleep ${marker}`, {}, AbortSignal.timeout(ms));
      expect(said.end).toEqual(killed("cancelled"));
      expect(processesWith(marker)).toEqual([]);
    }
  });
});

describe("a limit", () => {
  test("of output ends a flood, and keeps head and tail in bounded memory", async () => {
    const before = process.memoryUsage().rss;
    const said = await room.run("seq 1 100000000");
    expect(said.end).toEqual(killed("output_limit"));
    const { kept, tail, totalBytes } = said.result.stdout;
    expect(kept.length).toBe(testLimits.outputKeptBytes);
    expect(kept.toString("utf8", 0, 6)).toBe("1\n2\n3\n");
    expect(tail.length).toBe(64 * 1024);
    expect(totalBytes).toBeGreaterThan(testLimits.outputKilledBytes);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MiB);
  });

  test("of output is not reached by a long but allowed one", async () => {
    const said = await room.run("yes | head -c 40M");
    expect(said.end).toEqual(exited(0));
    expect(said.result.stdout.totalBytes).toBe(40 * MiB);
  });

  test("of memory ends the command", async () => {
    const said = await room.run("python3 -c 'x = bytearray(10**9); print(len(x))'");
    expect(said.end).toEqual(killed("memory_limit"));
  });

  test("of processes is named when the command fails for it, and not when it goes on", async () => {
    const fork = "import os, time\nfor i in range(99): os.fork() or time.sleep(60)";
    const said = await room.run(`python3 -c '${fork}'`);
    if (room.sandbox.isolation.limits === "watchdog") expect(said.end).toEqual(exited(1));
    else expect(said.end).toEqual(killed("process_limit"));
    expect(said.stderr).toContain("BlockingIOError");
    expect((await room.run(`python3 -c '${fork}' 2>/dev/null; exit 0`)).end).toEqual(exited(0));
  });

  test("of processes contains a fork bomb", async () => {
    const said = await room.run("b() { b | b & }; b; sleep 60", { timeoutMs: 2000 });
    expect(said.end.type === "killed" || said.stderr.includes("fork")).toBe(true);
    expect((await room.run("echo fine")).stdout).toBe("fine\n");
  });
});

describe("the limit of disk", () => {
  // A room for each: a run that is over its limit is ended, so nothing promises that it can still tidy up.
  let own: Room;
  beforeEach(async () => {
    own = await openRoom();
  });
  afterEach(() => own.close());

  test("ends a command that fills it with deleted files", async () => {
    const write = "dd if=/dev/zero bs=1M count=40 2>/dev/null";
    const hold = `exec 3>d1 4>d2 5>d3; rm d1 d2 d3; ${write} >&3; ${write} >&4; ${write} >&5`;
    const said = await own.run(`${hold}; sleep 60`);
    expect(said.end).toEqual(killed("disk_limit"));
  });

  test("ends a command while it fills it with many files", async () => {
    const fill = "for i in $(seq 1 200); do head -c 4M /dev/zero >~/f$i; done; sleep 60";
    expect((await own.run(fill)).end).toEqual(killed("disk_limit"));
  });

  test("ends a command that makes files without end", async () => {
    const make = `import os
os.mkdir("many")
for i in range(10**6): os.close(os.open(f"many/{i}", os.O_CREAT))`;
    const said = await own.run(`python3 -c '${make}'`);
    expect(said.end).toEqual(killed("disk_limit"));
  });

  test("cannot be passed by locking directories, though others free as much meanwhile", async () => {
    const others = join(own.dataDir, "others");
    writeFileSync(others, Buffer.alloc(160 * MiB, 1));
    const fill = "mkdir h$i; head -c 20M /dev/zero >h$i/f; chmod 0 h$i";
    const end = own.run(`for i in 1 2 3 4 5 6 7; do ${fill}; sleep 0.3; done; sleep 60`);
    await vi.waitFor(() => statSync(join(own.place.tmp, "h3")), 10_000);
    rmSync(others);
    expect((await end).end).toEqual(killed("disk_limit"));
  });

  test("cannot be passed by locking more directories than anybody can name", async () => {
    // 1.5 MB of names: what a measuring program complains of is cut off long before.
    const lock = `import os
for i in range(6000):
    os.mkdir("%0250d" % i)
    os.chmod("%0250d" % i, 0)`;
    const fill = "for i in 1 2 3 4; do head -c 20M /dev/zero >~/f$i; sleep 0.3; done; sleep 60";
    const said = await own.run(`python3 -c '${lock}'; ${fill}`);
    expect(said.end).toEqual(killed("disk_limit"));
  });

  test("is noticed after a command that was quick", async () => {
    const fill = "mkdir -p l/x; chmod 0 l; for i in 1 2; do head -c 40M /dev/zero >~/g$i; done";
    expect((await own.run(fill)).end).toEqual(killed("disk_limit"));
  });
});

describe("live output", () => {
  test("comes in whole characters with its place in the stream", async () => {
    const pieces: { stream: string; offset: number; text: string }[] = [];
    const command = `printf 'gr\\303'; sleep 0.2; printf '\\274\\303\\237e'; printf '\\377!' >&2`;
    await room.sandbox.exec(room.place, {
      ...{ command, limits: testLimits, signal: new AbortController().signal },
      onOutput: (stream, offset, text) => pieces.push({ stream, offset, text }),
    });
    const stdout = pieces.filter(({ stream }) => stream === "stdout");
    expect(stdout.map(({ text }) => text).join("")).toBe("grüße");
    expect(stdout[0]).toMatchObject({ offset: 0, text: "gr" });
    expect(stdout[1]).toMatchObject({ offset: 2 });
    expect(pieces.filter(({ stream }) => stream === "stderr").map(({ text }) => text)).toEqual([
      "\ufffd!",
    ]);
  });
});

test("a run of one command at a time leaves no pipe, group or process of its own", async () => {
  const { sandbox, dataDir } = room;
  expect(readdirSync(join(dataDir, "runs"))).toEqual(["run_test"]);
  const [pipes = ""] = readdirSync(join(dataDir, "pipes"));
  // For what it says on two streams, and for what bwrap says of it.
  expect(readdirSync(join(dataDir, "pipes", pipes))).toHaveLength(3);
  expect(await sandbox.sweep()).toEqual({ runDirectories: ["run_test"] });
});
