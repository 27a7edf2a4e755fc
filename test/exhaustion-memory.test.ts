/**
 * Runs that use up memory: their own, and that of filesystems which are memory. Each ends by name,
 * the run beside it does not notice, and nothing is left.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identities } from "./support/escape-identities.ts";
import { type HostileHost, isSoak, MiB, openHostileHost, timeout } from "./support/hostile-host.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const memoryBytes = 128 * MiB;
/** The filesystems in memory that a run can write, with their sizes. */
const inMemory = { "/run": 16 * MiB, "/var/tmp": 64 * MiB, "/dev/shm": 64 * MiB };
const readOnly = ["/", "/dev", "/proc", "/sys", "/etc", "/usr", "/airlock", "/opt", "/home"];

describe.each(identities)("with the gateway as $name, a run", { timeout }, (identity) => {
  let host: HostileHost;
  beforeAll(async () => {
    host = await openHostileHost(identity);
  });
  afterAll(() => host.close());

  it("is killed when it takes memory, alone, in many processes or without end", async () => {
    const alone = python("import time\nx = b'x' * 200_000_000\ntime.sleep(60)");
    const many = python(`
import os, sys, time
for _ in range(20):
    if os.fork() == 0:
        x = os.urandom(1) * 20_000_000
        time.sleep(1)
        os._exit(0)
sys.exit(sum(os.wait()[1] != 0 for _ in range(20)))`);
    const pieces = "import time\nx = []\nwhile True: x.append(bytearray(1 << 16))";
    const { results, defects } = await host.endure({
      commands: [alone, many, python(pieces), "tail /dev/zero; exit", "echo after"],
      limits: { memoryBytes, callSeconds: 8 },
    });
    expect(defects).toEqual([]);
    for (const result of results.slice(0, 4)) {
      expect(result).toMatchObject({ ok: false, error_kind: "memory_limit" });
    }
    expect(results[4]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("fills of the filesystems in memory no more than their sizes, and no other", async () => {
    const places = [...readOnly, ...Object.keys(inMemory)].join(" ");
    const fill = `for place in ${places}; do
  head -c 100000000 /dev/zero 2>/dev/null > $place/fill; stat -c '%n %s' $place/fill
done 2>/dev/null`;
    const { results, defects } = await host.endure({ commands: [fill, fill, "echo after"] });
    expect(defects).toEqual([]);
    const sizes = Object.entries(inMemory).map(([place, size]) => `${place}/fill ${size}\n`);
    // The second call has to find them empty.
    for (const result of results.slice(0, 2)) expect(result.stdout).toBe(sizes.join(""));
    expect(results[2]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("pays for what it puts into them, in bytes and in empty files", async () => {
    const bytes = "head -c 60000000 /dev/zero > /dev/shm/fill && sleep 0.3 && echo filled";
    const files = python(`
import os
count = 0
while count < ${isSoak ? 300_000 : 60_000}:
    os.close(os.open("/dev/shm/%d" % count, os.O_CREAT))
    count += 1
print("filled")`);
    const { run, results, defects } = await host.endure({
      commands: [bytes, files, "echo after"],
      limits: { memoryBytes: 32 * MiB },
    });
    expect(defects).toEqual([]);
    // A watchdog sees the memory of processes: what holds there is the sizes alone.
    const paid =
      run.isolation?.limits === "watchdog" ? { ok: true } : { error_kind: "memory_limit" };
    expect(results[0]).toMatchObject(paid);
    expect(results[1]).toMatchObject(paid);
    expect(results[2]).toMatchObject({ ok: true, stdout: "after\n" });
  });
});
