import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../base/assert.ts";
import { readAbi } from "./abi.ts";
import { type BwrapProgram, findBwrap } from "./bwrap-program.ts";
import { openCgroups } from "./cgroup.ts";
import { isClosed, openClosedPlace } from "./closed-place.ts";
import { execInSandbox, surroundingsOf } from "./exec.ts";
import { readHostLayout } from "./host-layout.ts";
import { openIdentity, prepareDataDir } from "./identity.ts";
import { openNext } from "./open-next.ts";
import type { ExecHost } from "./open-one.ts";
import { openOutputPipes } from "./pipes.ts";
import { type PlacesHost, provisionPlace, runDirectory } from "./places.ts";
import { openProcessScan } from "./process-scan.ts";
import { markOf, openProof } from "./proof.ts";
import { removeTree } from "./remove.ts";
import { stageFiles, stageRuntime } from "./runtime.ts";
import { bareSurroundings, type Sandbox, type SandboxOptions } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import { selfTest } from "./self-test.ts";
import { openSpares } from "./spares.ts";
import { stageContent } from "./stage.ts";
import { openStarts } from "./starts.ts";
import { listRunDirectories, sweepSandboxes } from "./sweep.ts";
import { openToolchains } from "./toolchains.ts";

export type OpenedHost = ExecHost & PlacesHost & { program: BwrapProgram };

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
  return {
    ...{ program, bwrap: program.path, seccomp, identity, dataDir, toolchains, runtime, cargo },
    ...{ layout: readHostLayout(), cgroups: await openCgroups(dataDir, clock) },
    ...{ pipes: openOutputPipes(dataDir), disk: new Map(), processes: openProcessScan(clock) },
    ...{ clock, log },
    ...{ starts: openStarts(), leaving: new Set<Promise<void>>() },
  };
}

/**
 * Opens the sandbox: finds bwrap, prepares the data directory, and proves with a real sandbox that
 * this host isolates. Throws `sandbox_unavailable` with the reason and the remedy otherwise;
 * nothing ever runs without (I7).
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const unproved = await openHost(options);
  const { bwrap } = unproved;
  const mark = markOf(bwrap);
  try {
    await selfTest(unproved);
  } catch (error) {
    await closeHost(unproved);
    throw error;
  }
  const host = { ...unproved, proof: openProof(bwrap, mark, () => selfTest(unproved)) };
  const spares = openSpares(host);
  const next = openNext(spares, host.clock);
  const running = new Map<string, Promise<unknown>>();
  const closing = new AbortController();
  const limits = host.cgroups?.version ?? "watchdog";
  const discard = async (runId: string) => {
    next.cancel(runId);
    await spares.discard(runId);
  };
  return {
    isolation: {
      ...{ grade: host.cgroups ? "A" : "B", limits, ownUid: host.identity !== null },
      sandbox: `bubblewrap ${host.program.version}`,
    },
    provision: (request) => provisionPlace(host, request),
    async stage(place, requests) {
      assert(!running.has(place.runId), "content is staged while no command of the run is running");
      return stageContent(host, place, requests);
    },
    async exec(place, request) {
      assert(!running.has(place.runId), "a run runs one command at a time");
      const signal = AbortSignal.any([request.signal, closing.signal]);
      next.cancel(place.runId);
      const own = isClosed(place) ? undefined : spares;
      const result = execInSandbox(host, place, { ...request, signal }, own);
      running.set(place.runId, result);
      try {
        return await result;
      } finally {
        running.delete(place.runId);
        // One that sees nothing of the run is thrown away with its directories.
        if (!signal.aborted && !isClosed(place)) {
          next.soon(place, request.limits, surroundingsOf(request));
        }
      }
    },
    prepare(place, limits, surroundings = bareSurroundings) {
      if (closing.signal.aborted || running.has(place.runId)) return;
      spares.prepare(place, limits, surroundings);
    },
    async openClosed(place) {
      assert(!running.has(place.runId), "fresh directories are made while no command is running");
      return openClosedPlace(host, place);
    },
    async removeClosed(closed) {
      host.disk.delete(closed.workspace);
      await removeTree(dirname(closed.tmp), host.log);
    },
    networkDirectory: (place) => join(dirname(place.tmp), "egress"),
    stageConfiguration: (files) => stageFiles(host.dataDir, files),
    abi: once(() => readAbi(host)),
    discard,
    async remove(runId) {
      assert(!running.has(runId), "a run is removed while no command of it is running");
      await discard(runId);
      host.disk.delete(join(runDirectory(host, runId), "workspace"));
      return removeTree(runDirectory(host, runId), host.log);
    },
    async sweep() {
      await spares.discardAll();
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
  await Promise.all(host.leaving);
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
