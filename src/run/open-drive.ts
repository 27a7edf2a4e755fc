import type { Analysis, Look } from "../analysis/analysis.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import { openOutputCapture, type SecretScanner } from "../content/content.ts";
import type { Capability } from "../contract/agent.ts";
import { Problem } from "../contract/problem.ts";
import { wholeProxyEndpoint } from "../contract/proxy-endpoint.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { openProxy, type RunProxy } from "../egress/egress.ts";
import type { Model } from "../model/model.ts";
import { hasCapability, type Power } from "../policy/policy.ts";
import type { Place } from "../sandbox/sandbox.ts";
import type { RunLease } from "../store/store.ts";
import { type BuildCache, type Tool, toolsFor } from "../tools/tools.ts";
import { openRunBudget } from "./budget.ts";
import type { BudgetLine } from "./budget-line.ts";
import { type CallNetwork, openCallNetwork } from "./call-network.ts";
import type { CorridorOptions } from "./corridor.ts";
import { custodyOf } from "./custody.ts";
import type { Patiently } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { holdLayers } from "./held-layers.ts";
import type { Ledger } from "./ledger.ts";
import type { Live } from "./live.ts";
import { type McpClients, openMcpClients } from "./mcp-clients.ts";
import { mcpServersOf } from "./mcp-servers.ts";
import { effectiveLimits } from "./next-step.ts";
import { type OpenedSecrets, openSecretsOf, type WorkspaceVault } from "./opened-secrets.ts";
import { powerOf } from "./power.ts";
import { programModel } from "./program.ts";
import { openProxyBooks } from "./proxy-books.ts";
import type { ProxyDoor } from "./proxy-door.ts";
import { openRecord, type Record } from "./record.ts";
import { openRunBundles } from "./run-bundles.ts";
import { runFiles } from "./run-manifest.ts";
import { scriptAgentOf, scriptFiles, scriptModel } from "./script-agent.ts";
import { openSdkDoor, type SdkDoor } from "./sdk-door.ts";
import { ownerOfFacts } from "./sdk-door-methods.ts";
import { openSecretValues, type SecretValues } from "./secret-values.ts";
import { withSkillReading } from "./skill-reading.ts";
import { valuesToSpend } from "./tool-context.ts";
import type { QueuedRun } from "./tree-queue.ts";
import { watchCanary } from "./watch-canary.ts";
import type { RunSignals } from "./worker.ts";
import { workflowTasks } from "./workflow-tasks.ts";

/** A run that was claimed, and the rooms it is driven through. */
export interface Claimed extends CorridorOptions {
  live: Live;
  builds: (workspaceId: string) => BuildCache;
  analysis: Analysis;
  packageHosts: Look["packageHosts"];
  onAsked: (requestId: string) => void;
  operatorGrant: readonly Capability[] | undefined;
  /** What this machine trusts besides what Node brings, as PEM. */
  authorities: readonly string[];
  workspace: WorkspaceVault;
  proxyDoor: ProxyDoor;
  /** Where runs wait for what other runs of their tree have reserved. */
  budgetLine: BudgetLine;
  /** Cancels what a run has started and left at work. */
  endTasks: (workspaceId: string, runId: string) => Promise<void>;
  /** A task was made, and may be driven. */
  onSubmitted: (run: QueuedRun) => void;
  /** Asks a task to end, in the name of a run. */
  cancelTask: (workspaceId: string, runId: string, by: string) => Promise<unknown>;
  onOpened: (values: readonly string[]) => () => void;
  lease: RunLease;
  ledger: Ledger;
  patiently: Patiently;
  signals: RunSignals;
  /** Aborts when the run is not driven any more. */
  over: AbortSignal;
}

/** Gathers what the steps of the loop work with, and starts the run's clock. */
export async function openDrive(claimed: Claimed): Promise<Drive> {
  const { store, blobs, sandbox, config, live, clock, log, ledger, signals } = claimed;
  const { id: runId, workspaceId } = claimed.lease.run;
  const { snapshot } = ledger.state;
  const limits = effectiveLimits(snapshot, config.runLimits);
  const power = powerOf(snapshot, claimed.operatorGrant);
  const canary = watchCanary(claimed);
  const endpoints = snapshot.proxyEndpoints ?? [];
  const ofRun = { runId, workspaceId, endpoints };
  const secrets = await openSecretsOf({ ...claimed, ...ofRun, onCanary: canary.seen });
  const proxy = await openEndpoints(claimed, secrets, canary.callId);
  const { runToken, refresh } = secrets;
  const leave = await claimed.proxyDoor.add(runId, { workspaceId, runToken, proxy, refresh });
  claimed.over.addEventListener("abort", leave, { once: true });
  const secretSearch = secrets.search();
  const spent = { secrets, secretSearch, secretValues: secretValuesOf(claimed, secrets) };
  const record = openRecord(blobs, () => secrets.redactor("transcript"), claimed.patiently);
  const deps = { ...claimed, secrets, cancel: claimed.cancelTask };
  return {
    ...{ runId, rootRunId: ledger.state.rootRunId, workspaceId },
    proxy,
    atCall: canary.atCall,
    uid: claimed.lease.uid,
    takeUid: () => store.runs.takeUid(runId, config.uidRange),
    ledger,
    limits,
    budget: await budgetOf(claimed),
    power,
    ...{ analysis: claimed.analysis, packageHosts: claimed.packageHosts },
    packageEnvironment: config.packageEnvironment,
    ...{ onAsked: claimed.onAsked, onRevoked: signals.onRevoked, threads: claimed.threads },
    mcp: openMcp(claimed, snapshot, spent),
    tools: withSkillReading(toolsOf(power, snapshot.agent), snapshot),
    endTasks: () => claimed.endTasks(workspaceId, runId),
    tasksOf: (callId) => workflowTasks(deps, ledger.state, callId, record.restore),
    custody: (filesAreGone) => custodyOf(claimed, runId, filesAreGone),
    model: openModel(claimed, secrets),
    record,
    ...spent,
    cleaner: () => secrets.redactor("live output").stream(),
    captureOutputs: captureOf(claimed, secretSearch, limits.diskBytes),
    place: undefined,
    ownFiles: async () => [...runFiles(runId, snapshot, secrets), ...scriptFiles(ledger.state)],
    elapsedMs: startClock(claimed, limits.wallClockSeconds * 1000),
    signal: signals.signal,
    draining: signals.draining,
    stopping: signals.stopping,
    sandbox,
    blobs,
    store,
    layers: claimed.layers,
    held: holdLayers(claimed.layers, claimed.over),
    bundles: openRunBundles(claimed, snapshot, claimed.over),
    builds: claimed.builds(workspaceId),
    network: undefined,
    sdk: undefined,
    openSdk: (place) => sdkFor(claimed, { place, power, secrets, callId: canary.callId }),
    openNetwork: (place, files) =>
      networkFor(
        claimed,
        files === undefined ? { place, record, proxy, secrets } : { place, record, secrets, files },
      ),
    live,
    clock,
    log,
  };
}

/** The door of the run's own code; what it wants kept is kept without secrets. */
function sdkFor(
  { ledger, sandbox, store, config, clock, log, lease }: Claimed,
  {
    secrets,
    ...of
  }: { place: Place; power: Power; secrets: OpenedSecrets; callId: () => string | null },
): Promise<SdkDoor> {
  const { rootRunId, snapshot } = ledger.state;
  return openSdkDoor({
    ...{ ...of, clock, log, workspaceId: lease.run.workspaceId, knowledge: store.knowledge },
    gid: config.uidRange.first,
    directory: sandbox.sdkDirectory(of.place),
    owner: ownerOfFacts(snapshot.agent, rootRunId),
    redact: (value) => secrets.redactor("transcript").json(value),
    append: (event) => ledger.append(event),
  });
}

/** The network of the run's calls. A name that is looked up can carry a secret away, and is not written down with it. */
function networkFor(
  { ledger, sandbox, config, clock, log, packageHosts, lease }: Claimed,
  {
    place,
    record,
    proxy,
    secrets,
    files,
  }: {
    place: Place;
    record: Record;
    proxy?: RunProxy | undefined;
    secrets: OpenedSecrets;
    files?: readonly { path: string; data: Buffer }[];
  },
): CallNetwork {
  const { runToken } = secrets;
  return openCallNetwork({
    ...{ place, sandbox, config, clock, log },
    gid: config.uidRange.first,
    append: async (...events) => ledger.append(...((await record.keep(events)) as typeof events)),
    endpoints: ledger.state.snapshot.proxyEndpoints ?? [],
    registries: Object.values(packageHosts).flat(),
    ...(files === undefined ? {} : { files }),
    ...(proxy === undefined ? {} : { proxy: { proxy, runId: lease.run.id, runToken } }),
  });
}

/** What the model is shown: what some call of it could ever be allowed. */
function toolsOf({ capabilities, grants = [] }: Power, agent: RunSnapshot["agent"]): Tool[] {
  if (agent?.llm_config?.chat_only === true) return [];
  return toolsFor(capabilities, agent !== undefined).filter(({ capability }) =>
    grants.every((grant) => capability === null || hasCapability(grant, capability)),
  );
}

function secretValuesOf({ workspace, lease }: Claimed, secrets: OpenedSecrets): SecretValues {
  const { workspaceId } = lease.run;
  return openSecretValues({
    ...{ ofRun: secrets.ofRun, namesOfRun: secrets.namesOfRun },
    workspaceValue: (name) => workspace.value(workspaceId, name),
    workspaceNames: async () => (await workspace.list(workspaceId)).map(({ name }) => name),
  });
}

/** The remote servers of a run; undefined when it has none. They end with the drive. */
function openMcp(
  { config, authorities, clock, log, over }: Claimed,
  snapshot: RunSnapshot,
  spent: Pick<Drive, "secrets" | "secretSearch" | "secretValues">,
): McpClients | undefined {
  if (mcpServersOf(snapshot).length === 0) return undefined;
  const secret = async (name: string) => (await valuesToSpend(spent, [name]))[name];
  const headers = (server: string) => spent.secrets.mcpHeaders(server);
  const mcp = openMcpClients({ config, authorities, secret, headers, clock, log });
  over.addEventListener("abort", () => void mcp.close(), { once: true });
  return mcp;
}

function budgetOf({ store, budgetLine, ledger, clock, lease, signals, over }: Claimed) {
  const { id: runId, workspaceId } = lease.run;
  return openRunBudget({
    ...{ budgets: store.budgets, line: budgetLine, ledger, runId, workspaceId, clock },
    ...{ interrupt: signals.interrupt, signal: signals.signal, over },
  });
}

function captureOf({ blobs, clock }: Claimed, secrets: SecretScanner, diskBytes: number) {
  return openOutputCapture({
    ...{ blobs, clock, secrets },
    // A sparse file takes no disk in the run, but all of its length among the blobs.
    limits: { ...gatewayLimits, outputTotalBytes: outputBytesMax(diskBytes) },
  });
}

function outputBytesMax(diskBytes: number): number {
  return Math.min(gatewayLimits.outputTotalBytes, diskBytes);
}

/** Interrupts the run when its time is over. Measured time of earlier claims counts, the time between them does not. */
function startClock({ clock, ledger, signals, over }: Claimed, allowedMs: number): () => number {
  const { spentMs } = ledger.state;
  const start = clock.monotonic();
  let expired = false;
  void clock.sleep(Math.max(0, allowedMs - spentMs), over).then(
    () => {
      expired = true;
      signals.interrupt("The run used up its time");
    },
    // The run was over before its time was.
    () => undefined,
  );
  // A timer may fire a little before the clock says so, and then its word counts.
  return () => (expired ? Number.POSITIVE_INFINITY : spentMs + clock.monotonic() - start);
}

/** The endpoints of the run; undefined when it has none. They end with the drive. */
async function openEndpoints(
  claimed: Claimed,
  secrets: OpenedSecrets,
  callId: () => string | null,
): Promise<RunProxy | undefined> {
  const { store, ledger, config, clock, log, lease, over } = claimed;
  const endpoints = ledger.state.snapshot.proxyEndpoints ?? [];
  if (endpoints.length === 0) return undefined;
  const { id: runId, workspaceId } = lease.run;
  const { upstreamProxy, privateHosts } = config;
  const now = () => clock.now();
  const books = await openProxyBooks({ accounts: store.proxy, ledger, runId, workspaceId, now });
  const proxy = openProxy({
    endpoints: endpoints.map((policy) => ({
      policy: wholeProxyEndpoint(policy),
      credential: () => secrets.credential(policy),
    })),
    ...{ books, callId, privateHosts, clock, log },
    redactor: () => secrets.redactor("proxy"),
    canary: secrets.canarySearch,
    authorities: claimed.authorities,
    ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
  });
  over.addEventListener("abort", () => void proxy.close(), { once: true });
  return proxy;
}

/** The model is opened once, by the first turn. */
function openModel({ models, ledger }: Claimed, secrets: OpenedSecrets): () => Model {
  const { model, fallbackModel, program } = ledger.state.snapshot;
  const script = scriptAgentOf(ledger.state.snapshot);
  let opened = program ? programModel(program) : script && scriptModel(script);
  return () => {
    if (!secrets.readable) {
      throw new Problem(
        "model_credential_missing",
        "The run's own credential cannot be opened: the gateway's key is not the one it was sealed with",
      );
    }
    opened ??= models.open(
      { model, ...(fallbackModel ? { fallbackModel } : {}) },
      secrets.modelKeys,
    );
    return opened;
  };
}
