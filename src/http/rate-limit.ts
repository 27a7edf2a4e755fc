import type { Clock } from "../base/clock.ts";
import { Problem } from "../contract/problem.ts";

const windowMs = 60_000;

/** Counts one request of this workspace. Throws `too_many_requests` beyond the limit, with the seconds to wait. */
export type RateLimit = (workspaceId: string) => void;

/**
 * At most `perMinute` requests of each workspace in each minute. The counts are gone with their minute, so they hold one
 * number for each workspace that asked in it; a restart forgets them, which only errs on the client's side.
 */
export function openRateLimit(what: string, perMinute: number, clock: Clock): RateLimit {
  const counts = new Map<string, number>();
  let startedAt = clock.monotonic();
  return (workspaceId) => {
    const now = clock.monotonic();
    if (now - startedAt >= windowMs) {
      startedAt = now;
      counts.clear();
    }
    const observed = (counts.get(workspaceId) ?? 0) + 1;
    counts.set(workspaceId, observed);
    if (observed <= perMinute) return;
    const retryAfterSeconds = Math.max(1, Math.ceil((startedAt + windowMs - now) / 1000));
    throw new Problem(
      "too_many_requests",
      `This workspace asked for ${observed} ${what} in a minute: expected ${perMinute} at most; ` +
        `ask again in ${retryAfterSeconds} s`,
      { cap: perMinute, observed, retryAfterSeconds },
    );
  };
}
