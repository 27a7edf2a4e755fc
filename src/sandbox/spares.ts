import { availableParallelism } from "node:os";
import { canonicalJson } from "../base/canonical-json.ts";
import { type BornLimits, type ExecHost, type OpenedSandbox, openOne } from "./open-one.ts";
import type { Place, Surroundings } from "./sandbox.ts";

/**
 * Sandboxes that were started before their command is known: a model thinks for seconds, and a
 * start takes milliseconds. One for a run at most, and a few in all (I9); each runs one command, or
 * is thrown away.
 */
export interface Spares {
  /** Starts one for the run, unless it has one or there are too many. Does not wait, never throws. */
  prepare(place: Place, limits: BornLimits, surroundings: Surroundings): void;
  /** The run's spare if it is one for this place, these limits and surroundings, and alive. It is then used up. */
  claim(
    place: Place,
    limits: BornLimits,
    surroundings: Surroundings,
  ): Promise<OpenedSandbox | undefined>;
  /** Ends the run's spare. Resolves when the last of its processes is gone. */
  discard(runId: string): Promise<void>;
  discardAll(): Promise<void>;
}

interface Spare {
  key: string;
  opened: Promise<OpenedSandbox | undefined>;
}

export function openSpares(host: ExecHost, most = 2 * availableParallelism()): Spares {
  const spares = new Map<string, Spare>();
  /** Those that were taken out of the map and are not gone yet. */
  const going = new Map<string, Promise<void>>();

  function end(runId: string, spare: Spare): Promise<void> {
    // Its failure is told to whoever ended that one.
    const before = going.get(runId)?.catch(() => undefined);
    const ended = Promise.all([spare.opened, before])
      .then(([sandbox]) => sandbox?.close())
      .finally(() => {
        if (going.get(runId) === ended) going.delete(runId);
      });
    going.set(runId, ended);
    return ended;
  }

  /** One that dies while it waits makes room at once, and its group and pipes are given back. */
  function watch(runId: string, spare: Spare, sandbox: OpenedSandbox): void {
    const onExit = () => {
      if (spares.get(runId) !== spare) return;
      spares.delete(runId);
      host.log.warn({ run_id: runId }, "sandbox.spare_died");
      end(runId, spare).catch((error: unknown) => {
        host.log.error({ run_id: runId, err: error }, "sandbox.spare_left");
      });
    };
    void sandbox.spawned.exited.then(onExit);
  }

  async function discard(runId: string): Promise<void> {
    const spare = spares.get(runId);
    spares.delete(runId);
    if (spare !== undefined) await end(runId, spare);
    await going.get(runId);
  }

  return {
    prepare(place, limits, surroundings) {
      const { runId } = place;
      const key = keyOf(place, limits, surroundings);
      const other = spares.get(runId);
      if (other !== undefined && other.key !== key) {
        // Nobody will ask for it any more; what the next command needs is opened then.
        discard(runId).catch((error: unknown) => {
          host.log.error({ run_id: runId, err: error }, "sandbox.spare_left");
        });
        return;
      }
      if (spares.has(runId) || going.has(runId) || spares.size >= most) return;
      const startDone = host.starts.takeIfIdle();
      if (startDone === undefined) return;
      const opened = openOne(host, place, limits, surroundings, startDone).catch(
        (error: unknown) => {
          // The command that would have used it starts its own, and fails loudly if that fails too.
          host.log.warn({ run_id: runId, err: error }, "sandbox.spare_failed");
          return undefined;
        },
      );
      const spare = { key, opened };
      spares.set(runId, spare);
      void opened.then((sandbox) => {
        if (sandbox !== undefined) watch(runId, spare, sandbox);
        else if (spares.get(runId) === spare) spares.delete(runId);
      });
    },
    async claim(place, limits, surroundings) {
      const spare = spares.get(place.runId);
      if (spare === undefined) return undefined;
      spares.delete(place.runId);
      const sandbox = await spare.opened;
      const fits = spare.key === keyOf(place, limits, surroundings);
      if (fits && sandbox !== undefined && !sandbox.spawned.hasExited()) return sandbox;
      await end(place.runId, spare);
      return undefined;
    },
    discard,
    async discardAll() {
      await Promise.all([...spares.keys(), ...going.keys()].map(discard));
    },
  };
}

/** Everything that is fixed when a sandbox starts. */
function keyOf(place: Place, limits: BornLimits, surroundings: Surroundings): string {
  const { runId, tmp, workspace, cache, own, agent = null, uid } = place;
  const { memoryBytes, processes, diskBytes } = limits;
  const born = [runId, tmp, workspace, cache, own, agent, uid, memoryBytes, processes, diskBytes];
  return canonicalJson([...born, surroundings]);
}
