/**
 * Runs that use up processes, threads, descriptors, processor time and patience. Each ends by name,
 * the run beside it does not notice, and nothing is left.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identities } from "./support/escape-identities.ts";
import { type HostileHost, isSoak, openHostileHost, timeout } from "./support/hostile-host.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const seconds = isSoak ? 8 : 1;

describe.each(identities)("with the gateway as $name, a run", { timeout }, (identity) => {
  let host: HostileHost;
  beforeAll(async () => {
    host = await openHostileHost(identity);
  });
  afterAll(() => host.close());

  it("is contained when it is a fork bomb, and when it respawns whatever is killed", async () => {
    const respawn = python(`
import os, time, signal
for kind in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(kind, signal.SIG_IGN)
def watch(parent):
    while True:
        try:
            if os.getppid() != parent and os.fork() == 0: os.setsid()
            pid = os.fork()
            if pid == 0: parent = os.getppid()
        except OSError: pass
        time.sleep(0.001)
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        watch(os.getppid())
time.sleep(0.5)
print("left them behind")`);
    const { results, defects } = await host.endure({
      commands: [":(){ :|:& };:; sleep 60", respawn, "echo after"],
      limits: { callSeconds: seconds },
    });
    expect(defects).toEqual([]);
    expect(results[0]).toMatchObject({ ok: false });
    expect(results[2]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("gets no more descriptors, threads and locks than are its own", async () => {
    const descriptors = python(`
import os
count = 0
try:
    while count < 100_000:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError as error: print(error.errno, count)`);
    const threads = python(`
import threading, time
count = 0
try:
    while count < 1000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError as error: print(count, flush=True)
import os
os._exit(3)`);
    // As many as fit the memory of the run where each page that they share counts for all of them.
    const locks = python(`
import fcntl, os, time
end = time.monotonic() + ${seconds / 2}
for _ in range(16):
    if os.fork() == 0:
        taken = 0
        with open("/workspace/lock", "w") as own:
            while time.monotonic() < end:
                fcntl.flock(own, fcntl.LOCK_EX)
                fcntl.flock(own, fcntl.LOCK_UN)
                fcntl.lockf(own, fcntl.LOCK_EX, 1, taken % 1000)
                taken += 1
        os._exit(0)
for _ in range(16): os.wait()
print("all")`);
    const { run, results, defects } = await host.endure({
      commands: [descriptors, threads, locks],
    });
    expect(defects).toEqual([]);
    expect(results[0]).toMatchObject({ ok: true, stdout: expect.stringMatching(/^24 10\d\d\n$/) });
    const byName = run.isolation?.limits === "watchdog" ? {} : { error_kind: "process_limit" };
    expect(results[1]).toMatchObject({ ok: false, ...byName });
    expect(Number(results[1]?.stdout)).toBeLessThan(130);
    expect(results[2], JSON.stringify(results[2])).toMatchObject({ ok: true, stdout: "all\n" });
  });

  it("is killed at its time when it is busy, silent, slow or closed to the world", async () => {
    const busy = "for i in $(seq 24); do while :; do :; done & done; wait";
    const closed = "exec <&- >&- 2>&-; while :; do sleep 0.1; done";
    const drips = "while :; do printf .; sleep 0.1; done";
    const { results, defects } = await host.endure({
      commands: [busy, closed, drips, "echo after"],
      limits: { callSeconds: seconds },
    });
    expect(defects).toEqual([]);
    for (const result of results.slice(0, 3)) {
      expect(result).toMatchObject({ ok: false, error_kind: "timeout" });
    }
    expect(results[3]).toMatchObject({ ok: true, stdout: "after\n" });
    // What its gateway does meanwhile competes with whatever else the machine is doing.
  }, 180_000);

  it("ends although its children keep its pipes open", async () => {
    const { run, results, defects } = await host.endure({
      commands: ["for i in $(seq 20); do (setsid sleep 600 &); done; echo over", "echo after"],
      limits: { callSeconds: 10 },
    });
    expect(defects).toEqual([]);
    expect(run.status).toBe("succeeded");
    expect(results.map(({ stdout }) => stdout)).toEqual(["over\n", "after\n"]);
  });
});
