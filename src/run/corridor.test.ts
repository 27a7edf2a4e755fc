import { describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { readConfig } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import type { Run, RunStatus } from "../contract/run.ts";
import type { Journal } from "../store/store.ts";
import { type CorridorOptions, openCorridor } from "./corridor.ts";

/** A corridor over a journal that holds one run, whose worker never comes to it. */
function open(status: RunStatus) {
  const appended: NewEvent[] = [];
  const run = { id: "run", workspaceId: "ws", status } as Run;
  const journal: Partial<Journal> = {
    latest: async (_, type) =>
      appended.find((event) => event.type === type) as RunEvent | undefined,
    async appendFromOutside(_, __, decide) {
      const event = decide(run);
      if (event) appended.push(event);
      return { run, event: event as RunEvent | null };
    },
    claim: () => new Promise(() => undefined),
  };
  const corridor = openCorridor({
    store: { journal },
    config: readConfig({}),
    clock: systemClock,
    log: openLog("silent"),
  } as unknown as CorridorOptions);
  return { corridor, appended };
}

describe("cancelling a run", () => {
  it("writes down one wish, however often it comes while the run is ending", async () => {
    const { corridor, appended } = open("running");
    for (let i = 0; i < 10; i++) {
      expect(await corridor.cancel("ws", "run", `tok-${i}`)).toMatchObject({ id: "run" });
    }
    expect(appended).toEqual([{ type: "run.cancel_requested", data: { requested_by: "tok-0" } }]);
  });

  it("writes nothing down for a run that is ending or has ended", async () => {
    for (const status of [
      "cleaning_up",
      "succeeded",
      "failed",
      "cancelled",
      "terminated",
    ] as const) {
      const { corridor, appended } = open(status);
      expect(await corridor.cancel("ws", "run", "tok")).toMatchObject({ status });
      expect(appended).toEqual([]);
    }
  });
});
