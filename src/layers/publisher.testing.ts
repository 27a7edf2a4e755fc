/** The parts behind the door, for tests that need one of them with limits of their own. */
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { TreeLimits } from "./found.ts";
import { type Guard, openGuard } from "./guard.ts";
import { type Leases, openLeases } from "./leases.ts";
import { openNaming } from "./naming.ts";
import { openPlaces } from "./places.ts";
import type { Publisher } from "./publish.ts";

export const roomy: TreeLimits = {
  ...{ entries: 100_000, fileBytes: 2 ** 30, totalBytes: 2 ** 32, depth: 64, pathBytes: 3000 },
};

export interface TestPublisher extends Publisher {
  leases: Leases;
  guard: Guard;
}

/** A layer store below `data`, an existing directory. */
export function publisherIn(
  data: string,
  threads: Threads,
  syncFilesystem: Publisher["syncFilesystem"],
): TestPublisher {
  const [clock, log, leases] = [systemClock, openLog("silent"), openLeases()];
  const { places } = openPlaces(data);
  const owner = process.getuid?.() === 0 ? { uid: 0, gid: 0 } : null;
  const guard = openGuard({ places, threads, clock, log, uid: owner?.uid ?? null });
  const naming = openNaming({ places, leases, guard, threads, log });
  return { places, threads, limits: roomy, naming, owner, syncFilesystem, leases, guard };
}
