/**
 * Whether a layer may be used (I8): looked at before, read when it was touched, and never used again once it was found
 * damaged, also not by the next gateway.
 */
import { closeSync, existsSync, fsyncSync, lstatSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import { layerId } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import {
  fingerprintName,
  type LayerOnDisk,
  type Look,
  lookAtLayer,
  lookThread,
  quarantineName,
} from "./look.ts";
import { type LayerPlaces, layerDirectory, replaceFile, syncDirectory } from "./places.ts";
import { type ReadingStep, readingThread, readPiece } from "./reading.ts";

export type Verdict = { ok: true } | { ok: false; reason: string };

export interface Guard {
  /** Throws `layer_unusable`, naming the layer, unless it is what it was when it was made. */
  check(digest: string, signal?: AbortSignal): Promise<void>;
  /** Whether the layer is there and untouched; does not read it, and changes nothing. */
  isSound(digest: string, signal?: AbortSignal): Promise<boolean>;
  /** Reads all of it. Damaged, it is quarantined; whole, a quarantine ends. */
  verify(digest: string, signal?: AbortSignal, pause?: Pause): Promise<Verdict>;
  /** Nobody may use it until it has been verified or replaced. */
  quarantine(digest: string, reason: string): void;
  /** What was known of a layer is over: it is gone, or replaced. */
  forget(digest: string): void;
}

/** Waited for after each piece of a layer that was read, which took so long. */
export type Pause = (tookMs: number) => Promise<void>;

export interface GuardOptions {
  places: LayerPlaces;
  threads: Threads;
  clock: Clock;
  log: Log;
  /** Whom layers must belong to, or null when the gateway cannot give files away. */
  uid: number | null;
}

interface Known {
  /** When and how long it was looked at. */
  at: number;
  took: number;
}

/**
 * Looking at every entry takes at most this share of the time between two looks: a small layer is looked at nearly each
 * time, and commands that use a large one do not wait for a hundred thousand entries each.
 */
const lookShare = 20;
const lookTask = { module: lookThread, work: lookAtLayer };
const readTask = { module: readingThread, work: readPiece };

const missing = { ok: false, reason: "it is not on the disk of the gateway" } as const;

export function openGuard(options: GuardOptions): Guard {
  const { places, threads, clock, log } = options;
  const known = new Map<string, Known>();
  const quarantined = new Map<string, string>();
  const looking = new Map<string, Promise<void>>();
  const layerOf = (digest: string) => ({ directory: layerDirectory(places, digest), digest });

  async function look(digest: string): Promise<void> {
    const start = clock.monotonic();
    const seen = await steady<Look>(layerOf(digest), () => threads.run(lookTask, layerOf(digest)));
    if (seen.state === "sound") {
      known.set(digest, { at: clock.monotonic(), took: clock.monotonic() - start });
    } else if (seen.state === "touched") {
      log.warn({ digest }, "layers.touched");
      const verdict = await verify(digest);
      if (!verdict.ok) throw unusable(digest, verdict.reason);
    } else if (seen.state === "missing") {
      throw unusable(digest, missing.reason);
    } else {
      if (seen.state === "damaged") quarantine(digest, seen.reason);
      else quarantined.set(digest, seen.reason);
      throw unusable(digest, seen.reason);
    }
  }

  /** Twenty commands that start at once look once. */
  function lookOnce(digest: string): Promise<void> {
    const going = looking.get(digest) ?? look(digest).finally(() => looking.delete(digest));
    looking.set(digest, going);
    return going;
  }

  function quarantine(digest: string, reason: string): void {
    known.delete(digest);
    quarantined.set(digest, reason);
    mark(layerOf(digest), reason, log);
  }

  async function verify(
    digest: string,
    signal?: AbortSignal,
    pause: Pause = async () => undefined,
  ): Promise<Verdict> {
    if (!isDigest(digest)) return missing;
    const layer = layerOf(digest);
    const [before, verdict] = await steady(layer, async () => {
      const seen: Look = await threads.run(lookTask, layer, signal);
      if (seen.state === "missing") return [seen, missing] as const;
      return [seen, await read(options, layer, signal, pause)] as const;
    });
    if (verdict === missing) return missing;
    if (!verdict.ok) {
      quarantine(digest, verdict.reason);
      return verdict;
    }
    rmSync(join(layer.directory, quarantineName), { force: true });
    quarantined.delete(digest);
    // What was read is what had this fingerprint before: a change in between shows at the next look.
    if (before.state === "touched") {
      replaceFile(places, layer.directory, fingerprintName, Buffer.from(before.fingerprint));
    }
    return { ok: true };
  }

  return {
    async check(digest, signal) {
      signal?.throwIfAborted();
      if (!isDigest(digest)) throw unusable(digest, "its digest is none");
      const reason = quarantined.get(digest);
      if (reason !== undefined) throw unusable(digest, reason);
      const last = known.get(digest);
      const isRecent = last && clock.monotonic() - last.at < last.took * lookShare;
      if (isRecent && existsSync(join(layerOf(digest).directory, "tree"))) return;
      await abortable(lookOnce(digest), signal);
    },
    async isSound(digest, signal) {
      const seen: Look = await threads.run(lookTask, layerOf(digest), signal);
      return seen.state === "sound" && !quarantined.has(digest);
    },
    verify,
    quarantine,
    forget(digest) {
      known.delete(digest);
      quarantined.delete(digest);
    },
  };
}

/** What was found of a layer that was replaced meanwhile says nothing about the one that is there now. */
async function steady<T>({ directory }: LayerOnDisk, find: () => Promise<T>): Promise<T> {
  for (;;) {
    const before = lstatSync(directory, { throwIfNoEntry: false })?.ino;
    const found = await find();
    if (lstatSync(directory, { throwIfNoEntry: false })?.ino === before) return found;
  }
}

/** Piece by piece to the end, or to the first thing that is wrong. */
async function read(
  { threads, clock, uid }: GuardOptions,
  layer: LayerOnDisk,
  signal: AbortSignal | undefined,
  pause: Pause,
): Promise<Verdict> {
  for (let from = 0; ; ) {
    const start = clock.monotonic();
    const step: ReadingStep = await threads.run(readTask, { ...layer, uid, from }, signal);
    if (!step.ok || step.next === null) return step;
    await pause(clock.monotonic() - start);
    from = step.next;
  }
}

/** On a full disk this gateway refuses the layer all the same; the next one sees what is wrong when it looks itself. */
function mark({ directory, digest }: LayerOnDisk, reason: string, log: Log): void {
  log.error({ digest, reason }, "layers.damaged");
  try {
    const fd = openSync(join(directory, quarantineName), "w", 0o600);
    try {
      writeSync(fd, reason);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncDirectory(directory);
  } catch (error) {
    log.error({ err: error, digest }, "layers.quarantine_not_kept");
  }
}

function isDigest(digest: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(digest);
}

function unusable(digest: string, reason: string): Problem {
  const name = isDigest(digest) ? layerId(digest) : JSON.stringify(digest.slice(0, 100));
  const message = `Cannot use the layer ${name}: ${reason}`;
  return new Problem("layer_unusable", message, { layer: name, digest, reason });
}

/** The work goes on for the others who wait for it. */
async function abortable(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
