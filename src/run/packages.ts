import type { NewEvent } from "../contract/event.ts";
import { aptConfiguration } from "../egress/egress.ts";
import type { Surroundings } from "../sandbox/sandbox.ts";
import { callLimits } from "./call-limits.ts";
import type { CallNetwork } from "./call-network.ts";
import type { Drive } from "./drive.ts";
import { isAbortOf } from "./is-abort-of.ts";
import { installPackages } from "./packages-install.ts";
import { aptDirectory, type Wanted, wantedPackages } from "./packages-recipes.ts";
import { openPlace } from "./provision.ts";
import { buildEnvironment } from "./surroundings.ts";
import { toolContext } from "./tool-context.ts";

/** Stands in the place of a call where connections are written down. */
const callId = "environment";

/**
 * Installs the packages of the submission, one layer for each ecosystem, and writes down that they are there. Until then
 * nothing of it counts: a gateway that dies in between does it again, and finds what it had done already.
 */
export async function preparePackages(drive: Drive): Promise<void> {
  const { ledger, clock, signal, log, runId } = drive;
  const data: Extract<NewEvent, { type: "environment.prepared" }>["data"] = {
    ...{ packages: [], layers: [] },
  };
  for (const wanted of wantedPackages(ledger.state.snapshot)) {
    const { ecosystem, specs } = wanted;
    const start = clock.monotonic();
    const installed = await install(drive, wanted);
    if (installed.type === "cut" || signal.aborted) return;
    if (installed.type !== "installed") {
      log.warn({ run: runId, ecosystem, type: installed.type }, "environment.failed");
      return ledger.append({ type: "run.finishing", data: endOf(drive, installed) });
    }
    const { layer } = installed;
    const { layer_id, mount_path, cached } = layer;
    const duration_ms = Math.round(clock.monotonic() - start);
    log.info({ run: runId, ecosystem, layer: layer_id, cached }, "environment.installed");
    data.packages.push({ ecosystem, packages: specs, layer_id, mount_path, cached, duration_ms });
    data.layers.push(layer);
  }
  await ledger.append({ type: "environment.prepared", data });
}

type Failed = Exclude<Awaited<ReturnType<typeof installPackages>>, { type: "installed" | "cut" }>;

function endOf({ record, limits }: Drive, failed: Failed) {
  if (failed.type === "disk_limit") {
    const message = `The run used up its ${limits.diskBytes} bytes of disk`;
    return { status: "terminated", stop_reason: "disk_limit", message } as const;
  }
  const message = record.hide(failed.message);
  return { status: "failed", stop_reason: "environment_failed", message } as const;
}

/** In a sandbox that reaches the registries of this machine and nothing else, neither the endpoints of the run. */
async function install(
  drive: Drive,
  wanted: Wanted,
): Promise<Awaited<ReturnType<typeof installPackages>>> {
  const { live, runId } = drive;
  const { ecosystem } = wanted;
  const place = await openPlace(drive);
  const { hosts, files } = sourcesOf(drive, wanted);
  const network = drive.openNetwork(place, files);
  const surroundings: Surroundings = {
    ...{ mounts: [], environment: buildEnvironment, bins: [] },
    network: network.sandboxNetwork(),
    noModules: true,
  };
  const context = await toolContext(drive, callId, hosts);
  const told = {
    ...context,
    limits: callLimits(drive.limits),
    onOutput: (stream: "stdout" | "stderr", offset: number, text: string) =>
      live.publish(runId, {
        type: "environment.output",
        data: { ecosystem, stream, offset, text },
      }),
    onCapturing: () => undefined,
    withNetwork: <T>(reached: readonly string[], work: () => Promise<T>) =>
      through(network, reached, work, drive),
  };
  try {
    return await installPackages(told, wanted, surroundings);
  } catch (error) {
    // Who waits for the same packages of another run, or for their capture, stops waiting with the run.
    if (isAbortOf(drive.signal, error)) return { type: "cut" };
    throw error;
  }
}

async function through<T>(
  network: CallNetwork,
  hosts: readonly string[],
  work: () => Promise<T>,
  { record, signal }: Drive,
): Promise<{ value: T; contacted: string[] }> {
  const done = await network.during(callId, hosts, work, signal);
  return { ...done, contacted: (await record.keep(done.contacted)) as string[] };
}

type Sources = { hosts: string[]; files: { path: string; data: Buffer }[] };

/** Where packages of an ecosystem come from on this machine, and what its client is configured with besides. */
function sourcesOf({ packageHosts, packageEnvironment }: Drive, { ecosystem }: Wanted): Sources {
  switch (ecosystem) {
    case "pip":
      return { hosts: [...packageHosts.python], files: [] };
    case "npm":
      return { hosts: [...packageHosts.javascript], files: [] };
    case "go":
      return { hosts: [...packageHosts.go], files: [] };
    case "cargo":
      return { hosts: [...packageHosts.rust], files: [] };
    case "gem":
      return { hosts: ["rubygems.org:443", "index.rubygems.org:443"], files: [] };
    case "apt": {
      const at = `/airlock-config/${aptDirectory}`;
      const { hosts, files } = aptConfiguration({ env: packageEnvironment }, at);
      return {
        hosts,
        files: files.map((file) => ({ ...file, path: `${aptDirectory}/${file.path}` })),
      };
    }
  }
}
