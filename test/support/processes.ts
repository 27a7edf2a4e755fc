import { readdirSync, readFileSync } from "node:fs";

/** The processes of this host whose command line holds the marker, this one not counted. */
export function processesWith(marker: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0 && pid !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`).includes(marker);
      } catch {
        return false; // It ended between the two looks.
      }
    });
}

/** Looks again and again until the condition holds; false when it did not within the time. */
export async function within(
  ms: number,
  holds: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + ms;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
