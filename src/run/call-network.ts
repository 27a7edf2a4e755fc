import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import type { Log } from "../base/log.ts";
import type { NewEvent } from "../contract/event.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import {
  type BuildNetworkOptions,
  networkEnvironment,
  openBuildNetwork,
  packageConfiguration,
} from "../egress/egress.ts";
import {
  egressSocketName,
  type Place,
  relayPort,
  type Sandbox,
  type SandboxNetwork,
} from "../sandbox/sandbox.ts";
import { withoutEndpoints } from "./endpoint-hosts.ts";

/** A run's way out, closed but while one of its calls may use it. */
export interface CallNetwork {
  /** What a sandbox needs to use it. The same for every call of the run. */
  sandboxNetwork(): SandboxNetwork;
  /**
   * Lets these hosts be reached while the work is done, and no longer once `cut` aborts. Every connection is an event before this resolves, with the
   * hosts that were really contacted.
   */
  during<T>(
    callId: string,
    hosts: readonly string[],
    work: () => Promise<T>,
    cut: AbortSignal,
  ): Promise<{ value: T; contacted: string[] }>;
}

export interface CallNetworkOptions {
  /** The endpoints of the run, and the token by which its own code is known. */
  proxy?: BuildNetworkOptions["proxy"];
  endpoints: NonNullable<RunSnapshot["proxyEndpoints"]>;
  /** What package clients of this machine talk to, host:port. */
  registries: readonly string[];
  place: Place;
  gid: number;
  sandbox: Pick<Sandbox, "networkDirectory" | "stageConfiguration">;
  config: Pick<Config, "privateHosts" | "upstreamProxy" | "packageEnvironment">;
  append: (...events: NewEvent[]) => Promise<void>;
  /** What package clients are configured with besides. */
  files?: readonly { path: string; data: Buffer }[];
  clock: Clock;
  log: Log;
}

/** The network of a run's calls. Nothing listens before `during`, and nothing after it. */
export function openCallNetwork(options: CallNetworkOptions): CallNetwork {
  const { place, sandbox, config, append, clock, log } = options;
  let network: SandboxNetwork | undefined;
  const sandboxNetwork = () => {
    network ??= networkOf(place, sandbox, config, options.files);
    return network;
  };
  return {
    sandboxNetwork,
    async during(callId, hosts, work, cut) {
      const writing: Promise<void>[] = [];
      const contacted = new Set<string>();
      const write = (event: NewEvent) => {
        const written = append(event);
        // Told to whoever waits for all of them, below.
        written.catch(() => undefined);
        writing.push(written);
      };
      const opened = await openBuildNetwork({
        socket: join(sandboxNetwork().directory, egressSocketName),
        ...(place.uid === null ? {} : { owner: { uid: place.uid, gid: options.gid } }),
        hosts: withRegistries(withoutEndpoints(hosts, options.endpoints), options.registries),
        ...{ privateHosts: config.privateHosts, clock },
        ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
        ...(config.upstreamProxy === undefined ? {} : { upstreamProxy: config.upstreamProxy }),
        onAllowed(record) {
          contacted.add(record.host);
          write({ type: "egress.allowed", data: { call_id: callId, ...record } });
        },
        onDenied: (record) =>
          write({ type: "egress.denied", data: { call_id: callId, ...record } }),
      });
      const close = () => void opened.close();
      cut.addEventListener("abort", close, { once: true });
      if (cut.aborted) close();
      let value: Awaited<ReturnType<typeof work>>;
      try {
        value = await work();
      } finally {
        cut.removeEventListener("abort", close);
        await opened.close();
        const unreported = opened.deniedUnreported();
        if (unreported > 0) log.warn({ call: callId, unreported }, "egress.denied_again");
        await Promise.all(writing);
      }
      return { value, contacted: [...contacted].sort() };
    },
  };
}

/**
 * `*` is every public host, and the registries of this machine's own package clients: one that the operator has inside
 * the company, and lists among the private hosts, stands in for a public one.
 */
function withRegistries(hosts: readonly string[], registries: readonly string[]): string[] {
  return hosts.includes("*") ? [...hosts, ...registries] : [...hosts];
}

function networkOf(
  place: Place,
  sandbox: CallNetworkOptions["sandbox"],
  config: CallNetworkOptions["config"],
  more: CallNetworkOptions["files"] = [],
): SandboxNetwork {
  const found = packageConfiguration({ env: config.packageEnvironment });
  return {
    directory: sandbox.networkDirectory(place),
    configuration: sandbox.stageConfiguration([...found.files, ...more]),
    directories: found.mounts.map(({ source }) => source),
    links: found.links,
    environment: {
      ...networkEnvironment({ port: relayPort, caBundle: found.caBundle }),
      ...found.environment,
    },
  };
}
