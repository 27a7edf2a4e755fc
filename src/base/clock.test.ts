import { expect, it } from "vitest";
import { systemClock } from "./clock.ts";

it("does not take a month for a millisecond, as a bare timer does", async () => {
  const month = 31 * 86_400_000;
  const over = new AbortController();
  const long = systemClock.sleep(month, over.signal).then(
    () => "woke",
    () => "aborted",
  );
  await systemClock.sleep(20);
  over.abort();
  expect(await long).toBe("aborted");
});

it("sleeps at least as long as it was asked to", async () => {
  const start = systemClock.monotonic();
  await systemClock.sleep(5);
  expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(5);
});

it("rejects with the reason of a signal that aborts, or has aborted", async () => {
  await expect(systemClock.sleep(1_000, AbortSignal.abort("early"))).rejects.toBe("early");
});
