import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { findHierarchy } from "./cgroup.ts";
import { openRoom, processesWith, testLimits, uniqueSleep } from "./room.testing.ts";

/** The directory of a process's group in the hierarchy that limits the processor. */
function cpuGroupOf(pid: number, version: "cgroup1" | "cgroup2"): string | undefined {
  const controller = version === "cgroup1" ? "cpu" : "";
  const hierarchy = findHierarchy(controller);
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const path = groups.map((line) => line.split(":")).find(([, name]) => name === controller)?.[2];
  return hierarchy && path && join(hierarchy.mountPoint, path);
}

test("whatever a command starts has its part of one share of the processor", async () => {
  const room = await openRoom();
  try {
    const { limits } = room.sandbox.isolation;
    if (limits === "watchdog") return;
    const marker = uniqueSleep();
    const cancel = new AbortController();
    const seen: (string | undefined)[] = [];
    await room.sandbox.exec(room.place, {
      command: `setsid sleep ${marker} & until grep -qsa ^sleep /proc/[0-9]*/cmdline
        do :; done; echo up; exec sleep ${marker}`,
      ...{ limits: testLimits, signal: cancel.signal },
      onOutput: () => {
        seen.push(...processesWith(`sleep\0${marker}`).map((pid) => cpuGroupOf(pid, limits)));
        const [file, share] =
          limits === "cgroup1"
            ? ["cpu.shares", 1024 * availableParallelism()]
            : ["cpu.weight", 100];
        const parent = dirname(seen[0] ?? "");
        expect(parent).toMatch(/\/airlock-[0-9a-f]{12}$/);
        expect(Number(readFileSync(join(parent, file), "utf8"))).toBe(share);
        cancel.abort();
      },
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen).size).toBe(1);
  } finally {
    await room.close();
  }
});
