import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import { placeAgentFolder } from "./agent-folder.ts";
import { type BwrapProgram, findBwrap } from "./bwrap-program.ts";
import { openCgroups } from "./cgroup.ts";
import { execInSandbox, surroundingsOf } from "./exec.ts";
import { readHostLayout } from "./host-layout.ts";
import { openIdentity, prepareDataDir } from "./identity.ts";
import { openClosedPlace, openFreshCache, removeOnce } from "./once-place.ts";
import { openNext } from "./open-next.ts";
import type { ExecHost } from "./open-one.ts";
import { makeDirectories } from "./own-directories.ts";
import { openSandboxPipes, type SandboxPipes } from "./pipes.ts";
import { clearPath, listPlace, openSocketDirectory, writeFiles } from "./place-files.ts";
import { type PlacesHost, provisionPlace, runDirectory } from "./places.ts";
import { openProcessScan } from "./process-scan.ts";
import { markOf, openProof } from "./proof.ts";
import { readTools } from "./read-tools.ts";
import { openRemovals } from "./removals.ts";
import { retainPlace } from "./retain.ts";
import { stageFiles, stageRuntime } from "./runtime.ts";
import {
  bareSurroundings,
  type ExecRequest,
  type Place,
  type Sandbox,
  type SandboxOptions,
  type Surroundings,
} from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import { selfTest } from "./self-test.ts";
import { openSpares } from "./spares.ts";
import { stageContent } from "./stage.ts";
import { openStarters } from "./starters.ts";
import { openStarts } from "./starts.ts";
import { listRunDirectories, sweepSandboxes } from "./sweep.ts";
import { openToolchains } from "./toolchains.ts";

export type OpenedHost = ExecHost & PlacesHost & { program: BwrapProgram; pipes: SandboxPipes };

/** Finds and prepares everything that commands need, and proves nothing yet. */
export async function openHost(options: SandboxOptions): Promise<OpenedHost> {
  const { clock, log } = options;
  const program = await findBwrap(options.bwrap);
  const seccomp = seccompFilter();
  const identity = openIdentity(options.uidRange);
  const dataDir = prepareDataDir(options.dataDir, identity);
  const toolchains = openToolchains(options.toolchains, identity);
  const runtime = stageRuntime(dataDir, {
    npm: !isInUsr("npm"),
    python: isInUsr("python") ? undefined : pathInUsr("python3"),
  });
  const cargo = [...toolchains.bins, ...programDirectories].some((bin) =>
    existsSync(join(bin, "cargo")),
  );
  const bwrap = program.path;
  const cgroups = await openCgroups(dataDir, clock);
  const pipes = openSandboxPipes(dataDir);
  const leaving = new Set<Promise<void>>();
  return {
    ...{ program, bwrap, seccomp, identity, dataDir, toolchains, runtime, cargo },
    ...{ layout: readHostLayout(), cgroups, pipes, disk: new Map() },
    ...{ processes: openProcessScan(clock), clock, log, leaving },
    removals: openRemovals(dataDir, log),
    starters: openStarters({ bwrap, cgroups, pipes, leaving, log }),
    starts: openStarts(),
  };
}

/**
 * Opens the sandbox: finds bwrap, prepares the data directory, and proves with a real sandbox that
 * this host isolates. Throws `sandbox_unavailable` with the reason and the remedy otherwise;
 * nothing ever runs without (I7).
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const host = await openProvedHost(options);
  const spares = openSpares(host);
  const next = openNext(spares, host.clock);
  const running = new Map<string, Promise<unknown>>();
  const closing = new AbortController();
  const limits = host.cgroups?.version ?? "watchdog";
  const idle = (place: Place) => {
    assert(
      !running.has(place.runId),
      "files of a run are touched while no command of it is running",
    );
    return place;
  };
  const discard = async (runId: string) => {
    next.cancel(runId);
    await spares.discard(runId);
  };
  const leave = async (runId: string) => {
    assert(!running.has(runId), "a run is left while no command of it is running");
    await discard(runId);
    host.disk.delete(join(runDirectory(host, runId), "workspace"));
  };
  return {
    isolation: {
      ...{ grade: host.cgroups ? "A" : "B", limits, ownUid: host.identity !== null },
      sandbox: `bubblewrap ${host.program.version}`,
    },
    async provision(request) {
      const place = await provisionPlace(host, request);
      return request.agent ? placeAgentFolder(place, request.agent) : place;
    },
    async exec(place, request) {
      assert(!running.has(place.runId), "a run runs one command at a time");
      const signal = AbortSignal.any([request.signal, closing.signal]);
      next.cancel(place.runId);
      const own = place.once ? undefined : spares;
      const result = execInSandbox(host, place, { ...request, signal }, own);
      running.set(place.runId, result);
      try {
        return await result;
      } finally {
        running.delete(place.runId);
        // One that sees nothing of the run is thrown away with its directories.
        if (!signal.aborted && !place.once && !request.isLast) {
          next.soon(place, request.limits, usualSurroundings(request));
        }
      }
    },
    prepare(place, limits, surroundings = bareSurroundings) {
      if (closing.signal.aborted || running.has(place.runId)) return;
      spares.prepare(place, limits, surroundings);
    },
    ...directoriesOf(host, idle),
    stageConfiguration: (files) => stageFiles(host.dataDir, files),
    toolsInside: once(() => readTools(host)),
    discard,
    async remove(runId) {
      await leave(runId);
      return host.removals.remove(runDirectory(host, runId));
    },
    async retain(runId) {
      await leave(runId);
      return retainPlace(host, runId);
    },
    async sweep() {
      await spares.discardAll();
      await host.starters.discard();
      return sweepSandboxes(host);
    },
    runDirectories: () => listRunDirectories(host),
    async close() {
      closing.abort();
      await Promise.allSettled(running.values());
      next.cancelAll();
      await spares.discardAll();
      await closeHost(host);
    },
  };
}

async function openProvedHost(options: SandboxOptions) {
  const unproved = await openHost(options);
  const { bwrap } = unproved;
  const mark = markOf(bwrap);
  try {
    await selfTest(unproved);
  } catch (error) {
    await closeHost(unproved);
    throw error;
  }
  return { ...unproved, proof: openProof(bwrap, mark, () => selfTest(unproved)) };
}

/** What is done with a run's directories while none of its commands is running: `idle` sees to that. */
function directoriesOf(host: OpenedHost, idle: (place: Place) => Place) {
  const directories: Pick<
    Sandbox,
    | "stage"
    | "openClosed"
    | "openFreshCache"
    | "removeOnce"
    | "networkDirectory"
    | "sdkDirectory"
    | "makeDirectories"
    | "list"
    | "write"
    | "clear"
  > = {
    stage: (place, requests) => stageContent(host, idle(place), requests),
    openClosed: (place, files = []) => openClosedPlace(host, idle(place), files),
    openFreshCache: (place) => openFreshCache(host, idle(place)),
    async removeOnce(place) {
      host.disk.delete(place.workspace);
      await removeOnce(host, place);
    },
    networkDirectory: (place) => openSocketDirectory(host, place, "egress"),
    sdkDirectory: (place) => openSocketDirectory(host, place, "sdk"),
    makeDirectories: (place, surroundings) => makeDirectories(host, idle(place), surroundings),
    list(place, most, surroundings) {
      makeDirectories(host, idle(place), surroundings);
      return listPlace(place, most);
    },
    write: (place, files) => writeFiles(host, idle(place), files),
    clear: (place, path, isLayer) => clearPath(host, idle(place), path, isLayer),
  };
  return directories;
}

/** What the next command will have around it, unless it says otherwise. */
function usualSurroundings(request: ExecRequest): Surroundings {
  const { noModules: _, ...usual } = surroundingsOf(request);
  return usual;
}

/** Asks once; a failure is asked again. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

export async function closeHost(host: OpenedHost): Promise<void> {
  await host.starters.close();
  await Promise.all([...host.leaving, host.removals.close()]);
  host.pipes.close();
  host.cgroups?.close();
}

const programDirectories = ["/usr/local/bin", "/usr/bin", "/bin"];

function pathInUsr(name: string): string | undefined {
  return programDirectories.map((bin) => join(bin, name)).find((path) => existsSync(path));
}

function isInUsr(name: string): boolean {
  return pathInUsr(name) !== undefined;
}
