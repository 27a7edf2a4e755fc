import { availableParallelism } from "node:os";
import type { Writable } from "node:stream";
import type { Log } from "../base/log.ts";
import type { Owner } from "../base/tree.ts";
import type { Cgroups, Group } from "./cgroup.ts";
import type { OutputPipe, SandboxPipes } from "./pipes.ts";
import { isAlive, killProcess, readStat } from "./processes.ts";
import { openStarterShell, type StarterShell } from "./starter-shell.ts";

/** A process in a control group of its own that waits to become one bwrap. Nothing of a run has happened in it. */
export interface Starter {
  pid: number;
  /** It was moved in before it was anybody's, because the kernel takes milliseconds for it. */
  group: Group | undefined;
  stdout: OutputPipe;
  stderr: OutputPipe;
  status: OutputPipe;
  say: OutputPipe;
  seccomp: Writable;
  args: Writable;
  hear: Writable;
  /** Makes it bwrap, under the uid of its run, with words for the launcher. It waits for filter and arguments. */
  become(owner: Owner | undefined, launch: readonly string[]): void;
  /** Resolves when it has ended, with its exit code as a shell tells it; null when nobody told. */
  over: Promise<number | null>;
  isAlive(): boolean;
  kill(): void;
  /** Gives its shell, pipes and group back, once all of its processes are gone. */
  release(): void;
}

/** The shell of one starter at a time, with the directory of its pipes. */
interface Seat {
  shell: StarterShell;
  directory: string;
}

/**
 * Processes that sandboxes begin as. A new process and its place in a control group take longer than all the rest of a
 * start, so a few wait.
 */
export interface Starters {
  /** One that nobody else has. Throws `sandbox_unavailable` when the host makes none. */
  take(): Promise<Starter>;
  /** Ends those that wait, and resolves when their groups are gone: a sweep is about to look for what nobody owns. */
  discard(): Promise<void>;
  close(): Promise<void>;
}

export interface StartersHost {
  bwrap: string;
  cgroups: Cgroups | null;
  pipes: SandboxPipes;
  /** Groups that are being removed: nobody waits for them but the end. */
  leaving: Set<Promise<void>>;
  log: Log;
}

/** Shells that are kept for the next sandbox: each was once needed beside all others, and is a megabyte. */
const seatsMax = 32;

export function openStarters(host: StartersHost, most = 2 * availableParallelism()): Starters {
  const seats: Seat[] = [];
  let waiting: Promise<Starter | undefined>[] = [];
  /** As many as have been wanted at once. */
  let wanted = 1;
  let isClosed = false;
  const closing = new Set<Promise<void>>();

  const closeSeat = ({ shell, directory }: Seat) => {
    const closed = (async () => {
      await shell.close();
      await host.pipes.remove(directory).catch((error: unknown) => {
        host.log.warn({ err: error }, "sandbox.pipes_left");
      });
    })();
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  };
  const leave = (seat: Seat) => {
    if (isClosed || seats.length >= seatsMax || !seat.shell.isAlive()) closeSeat(seat);
    else seats.push(seat);
  };
  const make = async (): Promise<Starter> => {
    const seat = seats.pop() ?? (await openSeat(host));
    try {
      return await openStarter(host, seat, () => leave(seat));
    } catch (error) {
      closeSeat(seat);
      throw error;
    }
  };
  const fill = () => {
    while (!isClosed && waiting.length < wanted) {
      const made = make().catch((error: unknown) => {
        // Whoever needs one makes his own, and fails loudly if that fails too.
        host.log.warn({ err: error }, "sandbox.starter_failed");
        return undefined;
      });
      waiting.push(made);
    }
  };
  const discard = async () => {
    const left = waiting;
    waiting = [];
    await Promise.all(left.map(async (starter) => end(await starter)));
    await Promise.all(host.leaving);
  };
  return {
    async take() {
      if (waiting.length === 0) wanted = Math.min(most, wanted + 1);
      const starter = await waiting.shift();
      // Once this one has its work.
      setImmediate(fill);
      if (starter?.isAlive()) return starter;
      await end(starter);
      return make();
    },
    discard,
    async close() {
      isClosed = true;
      await discard();
      for (const seat of seats.splice(0)) closeSeat(seat);
      await Promise.all(closing);
    },
  };
}

/** Of one that became nothing. */
async function end(starter: Starter | undefined): Promise<void> {
  starter?.kill();
  await starter?.over;
  starter?.release();
}

async function openSeat({ bwrap, pipes }: StartersHost): Promise<Seat> {
  const directory = await pipes.make();
  return { directory, shell: openStarterShell({ bwrap, directory }) };
}

async function openStarter(
  host: StartersHost,
  { shell, directory }: Seat,
  onRelease: () => void,
): Promise<Starter> {
  const { give, handOver, close, ...spoken } = host.pipes.open(directory);
  let group: Group | undefined;
  const release = () => {
    close();
    if (group !== undefined) removeLater(host, group);
  };
  try {
    group = await host.cgroups?.create();
    const { pid, over } = await shell.start(group?.directories ?? []);
    const startTime = readStat(pid)?.startTime ?? "";
    const isThere = () => isAlive(pid, startTime);
    // The kernel ends it with its shell only when it is a bwrap already.
    const isUsable = () => shell.isAlive() && isThere();
    const { seccomp, args, hear } = handOver();
    return {
      ...{ pid, over, group, ...spoken, seccomp, args, hear, isAlive: isUsable },
      become(owner, launch) {
        give(owner);
        const user = owner === undefined ? "- -" : `${owner.uid} ${owner.gid}`;
        hear.write(`start ${user} ${launch.join(" ")}\n`);
      },
      kill() {
        if (isThere()) killProcess(pid);
      },
      release() {
        release();
        onRelease();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** The group goes behind the answer's back: what it held is gone, and its name is its own. */
function removeLater({ leaving, log }: StartersHost, group: Group): void {
  const removed = group.remove().catch((error: unknown) => {
    log.error({ err: error }, "sandbox.group_left");
  });
  leaving.add(removed);
  void removed.then(() => leaving.delete(removed));
}
