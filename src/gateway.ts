/**
 * The wiring: the only place that knows every room. Opens each once, in the order in which they need each other, and
 * closes them in the reverse.
 */
import { ensureAdminToken } from "./admin-token.ts";
import { loadReferenceAgents, type OpenAgentLibrary, openAgentLibrary } from "./agents/agents.ts";
import { openApprovals } from "./approvals/approvals.ts";
import { openInventory } from "./artifacts/artifacts.ts";
import { openAttestor } from "./attest/attest.ts";
import { systemClock } from "./base/clock.ts";
import { type Config, ConfigError } from "./base/config.ts";
import { limits } from "./base/limits.ts";
import { type Log, openLog } from "./base/log.ts";
import { openThreads } from "./base/threads.ts";
import { openBundles, openBundleTrees } from "./bundles/bundles.ts";
import { type Blobs, openBlobs, openContentReader } from "./content/content.ts";
import { Problem } from "./contract/problem.ts";
import type { DoctorReport } from "./contract/upkeep.ts";
import {
  allowList,
  checkUpstreamUrl,
  guardedFetch,
  type KnownSecrets,
  machineAuthorities,
  openKnownSecrets,
  openSecrets,
  openUpstreams,
  openVault,
  packageProbes,
} from "./egress/egress.ts";
import { createHttp } from "./http/http.ts";
import { openInteractions } from "./interactions/interactions.ts";
import { openLayers } from "./layers/layers.ts";
import { type Models, type ModelsOptions, openModels } from "./model/model.ts";
import { openCorridor } from "./run/run.ts";
import { closeInheritedFds, openSandbox, runDoctor, syncFilesystem } from "./sandbox/sandbox.ts";
import { openStore, type Store } from "./store/store.ts";
import { openUpkeepOver, type Upkeep } from "./upkeep.ts";
import { version } from "./version.ts";

export type { Upkeep } from "./upkeep.ts";

const sweepEndMs = 1_000;

/** A gateway that is open: it serves until `close`, or until the store breaks. */
export interface Gateway {
  url: string;
  port: number;
  dataDir: string;
  adminTokenFile: string;
  upkeep: Upkeep;
  /** Resolves when the disk broke a promise: nothing is accepted any more and the process should end. */
  broken: Promise<Error>;
  /** Stops accepting, lets requests and steps end for at most `limits.drainMs`, and closes every room. */
  close(): Promise<void>;
}

export interface GatewayOptions {
  /** A script for the model `scripted/…`, in place of a file. */
  script?: ModelsOptions["script"];
  log?: Log;
}

/**
 * Opens a gateway on `config.dataDir` and listens. Throws a `Problem` that says what to do when the directory is held
 * by another gateway (`data_dir_locked`) or the host cannot give a sandbox (`sandbox_unavailable`).
 */
export async function openGateway(config: Config, options: GatewayOptions = {}): Promise<Gateway> {
  // A forked process talks to its parent over an inherited descriptor; anybody else has no use for one.
  if (process.channel === undefined) closeInheritedFds();
  const known = openKnownSecrets();
  known.add(Object.values(config.models).flatMap(({ apiKey }) => apiKey ?? []));
  const log = options.log ?? openLog(config.logLevel, { redact: known.text });
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await openRooms({ config, options, known, log, closers, closeAll });
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface Opening {
  config: Config;
  options: GatewayOptions;
  known: KnownSecrets;
  log: Log;
  /** What is open, in order: closed in the reverse. */
  closers: (() => Promise<void>)[];
  closeAll: () => Promise<void>;
}

/** Opens every room; each is on the list of closers as soon as it is open. */
async function openRooms(opening: Opening): Promise<Gateway> {
  const { config, options, known, log, closers, closeAll } = opening;
  const clock = systemClock;
  const { dataDir, uidRange, toolchains } = config;
  checkPrivateHosts(config);
  const broke = Promise.withResolvers<Error>();
  const onBroken = (error: unknown) =>
    broke.resolve(error instanceof Error ? error : new Error(String(error)));
  const threads = openThreads({ log });
  closers.push(() => threads.close());
  const store = await openStore({ dir: dataDir, clock, log, onBroken });
  closers.push(() => store.close());
  const adminTokenFile = await ensureAdminToken(dataDir, store.tokens);
  const blobs = await openBlobs({ dir: dataDir, clock, log, threads, onBroken });
  const layers = openLayers({ dataDir, clock, log, threads, syncFilesystem });
  const inventory = openInventory({ store, blobs, layers, dataDir, clock, log });
  const bundles = openBundles({ rows: store.bundles, blobs });
  const bundleTrees = openBundleTrees({ ...bundles, dataDir, blobs, threads, log });
  const { vault, attestor } = await openKeyRooms(config);
  const models = await openRunModels(config, options, log, closers);
  const agents = await openAgents(store, blobs, config);
  const sandbox = await openSandbox({ dataDir, uidRange, toolchains, clock, log });
  closers.push(() => sandbox.close());
  const own = { store, blobs, bundles, bundleTrees, layers };
  const rooms = { ...own, vault, attestor, models, agents, sandbox };
  const approvals = openApprovals({
    ...{ rows: store.approvals, readContent: openContentReader(blobs), clock, log },
    onResumed: (runs) => corridor.resume(runs),
    onRevoked: ({ id }) => corridor.revoked(id),
  });
  const { onRequested: onAsked } = approvals;
  const secrets = await openSecrets({
    ...{ rows: store.workspaceSecrets, sealed: store.sealed, vault, clock, log },
    onChanged: (workspaceId) => corridor.secretsChanged(workspaceId),
  });
  const corridor = openCorridor({
    ...{ ...rooms, config, clock, log, threads, onAsked, workspace: secrets },
    onOpened: known.add,
    authorities: machineAuthorities({ env: config.packageEnvironment }),
  });
  const { hide, settle: onSettled } = corridor;
  const interactions = openInteractions({ rows: store.interactions, hide, onSettled, clock, log });
  closers.push(approvals.close, interactions.close, () => corridor.close(limits.drainMs));
  const doctor = () => examineHost(config, log);
  const upkeep = openUpkeepOver({ ...rooms, secrets, dataDir, clock, log, doctor });
  // Before any run is driven: this ends whatever an earlier gateway left running.
  await sandbox.sweep();
  await upkeep.sweepRunDirectories();

  let closing: Promise<void> | undefined;
  const http = createHttp({
    ...{ corridor, agents, approvals, bundles, interactions, secrets, inventory, upkeep },
    explain: (_workspaceId, request) => corridor.explain(request),
    proxy: corridor.proxy,
    tokens: store.tokens,
    attestationKey: attestor.key,
    caps: capsOf(config),
    limits: config.frontLimits,
    ready: () => (closing ? { ok: false, reason: "shutting_down" } : { ok: true }),
    version,
    clock,
    log,
  });
  const listening = await http.listen({ host: config.host, port: config.port });
  // Side by side, so that a slow client and a slow command do not wait one after the other.
  closers.push(async () => {
    await Promise.all([listening.close(limits.drainMs), corridor.close(limits.drainMs)]);
  });
  for (const room of [approvals, interactions, corridor]) await room.start();
  closers.push(keepUp(upkeep, log));
  const { url, port } = listening;
  log.info({ url, data: dataDir, isolation: sandbox.isolation }, "gateway.ready");
  const close = () => {
    closing ??= closeAll().then(() => log.info("gateway.closed"));
    return closing;
  };
  return { url, port, dataDir, adminTokenFile, upkeep, broken: broke.promise, close };
}

/** What the gateway holds keys for: secrets at rest, and its signature under archives. */
async function openKeyRooms({ dataDir: dir, vaultKeys, attestationKeyFile: keyFile }: Config) {
  const vault = await openVault({ dir, ...vaultKeys });
  return { vault, attestor: await openAttestor({ dir, keyFile, version }) };
}

/** What a workspace is told that it may do. */
function capsOf({ runsPerWorkspaceMax, runLimits }: Config) {
  const maxRunDurationMs = runLimits.wallClockSeconds * 1000;
  return { maxConcurrentRuns: runsPerWorkspaceMax, maxRunDurationMs };
}

/** Sweeps from now on; ends with what is given back. */
function keepUp(upkeep: ReturnType<typeof openUpkeepOver>, log: Log): () => Promise<void> {
  const sweeping = new AbortController();
  const { signal } = sweeping;
  const swept = Promise.all([upkeep.sweepRegularly(signal), upkeep.scrubLayers(signal)]).then(
    () => undefined,
    (error: unknown) => log.error({ err: error }, "upkeep.failed"),
  );
  return () => {
    sweeping.abort();
    // A sweep of millions of blobs may be cut off by the store's end: it is taken up at the next start.
    return Promise.race([swept, systemClock.sleep(sweepEndMs)]);
  };
}

/** The models, with the way to those whose address a run brings itself: as the operator lets it be. */
function openRunModels(
  config: Config,
  options: GatewayOptions,
  log: Log,
  closers: (() => Promise<void>)[],
): Promise<Models> {
  const { privateHosts, upstreamProxy } = config;
  const clock = systemClock;
  const proxy = upstreamProxy === undefined ? {} : { upstreamProxy };
  const upstreams = openUpstreams({ privateHosts, ...proxy, clock, log });
  closers.push(async () => upstreams.close());
  const guarded = { guardedFetch: () => guardedFetch(upstreams) };
  return openModels({ config, clock, log, ...guarded, ...script(options) });
}

/** The agents of workspaces. What they may reach is the egress room's to say. */
async function openAgents(
  store: Store,
  blobs: Blobs,
  { privateHosts }: Config,
): Promise<OpenAgentLibrary> {
  const checkHosts = (hosts: readonly string[]) => void allowList(hosts);
  const checkUrl = (field: string, url: string) => checkUpstreamUrl(field, url, privateHosts);
  const reference = await loadReferenceAgents();
  return openAgentLibrary({ rows: store.agents, blobs, reference, checkHosts, checkUrl });
}

/** Before anything is opened: a list that nobody can mean would be noticed by the first build only. */
function checkPrivateHosts({ privateHosts }: Config): void {
  try {
    allowList([], privateHosts);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new ConfigError(`Cannot use AIRLOCK_PRIVATE_HOSTS: ${error.message}`);
  }
}

function script({ script: own }: GatewayOptions): Pick<ModelsOptions, "script"> {
  return own === undefined ? {} : { script: own };
}

/** What a host gives: to a sandbox, and to runs that may reach registries. Needs no gateway. */
export async function examineHost(config: Config, log: Log): Promise<DoctorReport> {
  const { dataDir, uidRange, toolchains } = config;
  const report = await runDoctor({ dataDir, uidRange, toolchains, clock: systemClock, log });
  const probes = [...report.probes, ...packageProbes({ env: config.packageEnvironment })];
  return { ...report, probes };
}

/** Upkeep of a data directory that no gateway holds: `airlock verify` and `airlock gc` offline. */
export async function openUpkeep(config: Config): Promise<Upkeep & { close(): Promise<void> }> {
  const log = openLog(config.logLevel);
  const clock = systemClock;
  const { dataDir } = config;
  const onBroken = (error: unknown) => log.fatal({ err: error }, "store.broken");
  const store = await openStore({ dir: dataDir, clock, log, onBroken });
  const threads = openThreads({ log });
  const blobs = await openBlobs({ dir: dataDir, clock, log, threads });
  const doctor = () => examineHost(config, log);
  const layers = openLayers({ dataDir, clock, log, threads, syncFilesystem });
  const upkeep = openUpkeepOver({ store, blobs, layers, dataDir, clock, log, doctor });
  const close = async () => {
    await store.close();
    await threads.close();
  };
  return { ...upkeep, close };
}
