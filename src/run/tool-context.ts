import { assert } from "../base/assert.ts";
import { findSecretBelow, findSecretThread } from "../content/content.ts";
import type { ToolContext } from "../tools/tools.ts";
import { callLimits } from "./call-limits.ts";
import type { Drive } from "./drive.ts";
import { heldSecrets } from "./held-secrets.ts";
import { openPlace } from "./provision.ts";
import { agentScriptOf } from "./script-agent.ts";
import { networkOf, surroundingsOf } from "./surroundings.ts";
import { treeFacts } from "./tree-facts.ts";

/** What one call may touch: its run's own, and the hosts that the decision opened to it. */
export async function toolContext(
  drive: Drive,
  callId: string,
  hosts: readonly string[],
  approvalId?: string,
): Promise<ToolContext> {
  const { runId, rootRunId, workspaceId, live, store, layers } = drive;
  const cut = cutOf(drive, approvalId);
  return {
    ...{ runId, rootRunId, callId, hosts, layers, approved: approvalId !== undefined },
    place: await openPlace(drive),
    sandbox: drive.sandbox,
    blobs: drive.blobs,
    content: () => store.files.content(rootRunId),
    waited: drive.ledger.state.turns.at(-1)?.calls.find(({ request }) => request.call_id === callId)
      ?.waited,
    agentFiles: drive.ledger.state.snapshot.agent?.files ?? [],
    skillFiles: drive.bundles.skillFiles,
    facts: treeFacts(drive, callId),
    script: agentScriptOf(drive.ledger.state),
    placed: drive.ledger.state.placed,
    layerBytes: [...drive.ledger.state.layerBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
    limits: callLimits(drive.limits),
    cleaner: drive.cleaner,
    ...secretsFor(drive, callId),
    onOutput: (stream, offset, text) =>
      live.publish(runId, { type: "call.output", data: { call_id: callId, stream, offset, text } }),
    onCapturing: (path, bytes) =>
      live.publish(runId, { type: "call.capturing", data: { call_id: callId, path, bytes } }),
    onProgress: (progress) => {
      // What the server says of it passes no journal, so its secrets are cut out here (I6).
      const shown = drive.secrets.redactor("live output").json(progress) as typeof progress;
      live.publish(runId, { type: "call.progress", data: { call_id: callId, ...shown } });
    },
    signal: drive.signal,
    cut,
    now: () => drive.clock.now(),
    surroundings: (reached, captures) => surroundingsOf(drive, reached, captures),
    async withNetwork(reached, work) {
      if (reached.length === 0) return { value: await work(), contacted: [] };
      const network = await networkOf(drive);
      const done = await network.during(callId, reached, work, cut);
      return { ...done, contacted: (await drive.record.keep(done.contacted)) as string[] };
    },
    holdLayer: (digest) => drive.held.open(digest),
    builds: drive.builds,
    tasks: drive.tasksOf(callId),
    findLayer: (idOrDigest) => store.layers.get(workspaceId, idOrDigest),
    findArtifact: (idOrRef) => store.artifacts.get(workspaceId, idOrRef, rootRunId),
  };
}

/** What a call may know of secrets; it asks for values in the moment in which it starts something. */
function secretsFor(
  drive: Drive,
  callId: string,
): Pick<
  ToolContext,
  "secretNames" | "secretValues" | "heldSecrets" | "holdsSecret" | "findSecret"
> {
  const { secretSearch, threads, signal, ledger } = drive;
  return {
    secretNames: () => askableSecrets(drive),
    secretValues: (names) => valuesToSpend(drive, names),
    heldSecrets: () => heldSecrets(ledger.state, callId),
    holdsSecret: (bytes) => secretSearch.start().push(bytes),
    async findSecret(root) {
      const { recipe } = secretSearch;
      assert(recipe, "another thread can make itself the same search");
      const task = { module: findSecretThread, work: findSecretBelow };
      const found = await threads.run(task, { root, scanner: recipe }, signal);
      if (found?.isCanary) secretSearch.onCanary?.();
      return found?.path;
    },
  };
}

/** Values of secrets by name; what there is none of is left out. For the moment in which they are spent. */
export async function valuesToSpend(
  { secretValues, secretSearch, secrets }: Pick<Drive, "secretValues" | "secretSearch" | "secrets">,
  names: readonly string[],
): Promise<Record<string, string>> {
  const values = await secretValues.values(names);
  // One that was set this very moment is spent only once it is cut out of whatever comes of it (I6).
  const isKnown = (value: string) => secretSearch.start().push(Buffer.from(value));
  if (!Object.values(values).every(isKnown)) await secrets.refresh();
  assert(Object.values(values).every(isKnown), "a secret is cut out before it is spent");
  return values;
}

/** The names that a run's agent may ask for: those that there are, as far as its manifest does not narrow them. */
export async function askableSecrets({ secretValues, power }: Drive): Promise<string[]> {
  const names = await secretValues.names();
  return names.filter((name) => power.credentialEnv?.includes(name) ?? true);
}

/** What takes the network from a call before it has ended: the run is stopped, or what it runs by is taken back. */
function cutOf(drive: Drive, approvalId: string | undefined): AbortSignal {
  if (approvalId === undefined) return drive.signal;
  const cut = new AbortController();
  drive.onRevoked((revoked) => {
    if (revoked === approvalId) cut.abort(new Error("The approval was revoked"));
  });
  return AbortSignal.any([drive.signal, cut.signal]);
}
