import type { ArchivePredicate } from "../contract/attestation.ts";
import type { Custody } from "../contract/custody.ts";
import type { RunEvent } from "../contract/event.ts";
import type { MissingOutput, Output } from "../contract/output.ts";
import type { RunSnapshot } from "../contract/submission.ts";

type Approval = ArchivePredicate["approvals"][number];

/** What the events of a run say for its attestation: the same for whoever reads the same events. */
export interface Facts {
  submission: RunSnapshot | undefined;
  /** Names of the secrets that the run was given. */
  secrets: readonly string[];
  custody: Custody | undefined;
  outputs: readonly Output[];
  missing: readonly MissingOutput[];
  layers: Map<string, ArchivePredicate["layers"][number]>;
  artifacts: Map<string, ArchivePredicate["artifacts"][number]>;
  approvals: Map<string, Approval>;
  decisions: ArchivePredicate["policy"]["decisions"];
}

export function noFacts(): Facts {
  return {
    submission: undefined,
    secrets: [],
    custody: undefined,
    outputs: [],
    missing: [],
    layers: new Map(),
    artifacts: new Map(),
    approvals: new Map(),
    decisions: { allow: 0, ask: 0, deny: 0 },
  };
}

/** Adds one event to what is known. */
export function addFact(facts: Facts, event: RunEvent): void {
  switch (event.type) {
    case "run.submitted":
      facts.submission = event.data.submission;
      facts.secrets = event.data.secrets;
      return;
    case "run.finished":
      facts.custody = event.data.custody;
      return;
    case "outputs.captured":
      facts.outputs = event.data.outputs;
      facts.missing = event.data.missing;
      return;
    case "run.forked":
      addLayers(facts, event.data.layers);
      for (const artifact of event.data.artifacts) addArtifact(facts, artifact);
      return;
    case "environment.prepared":
      addLayers(facts, event.data.layers);
      return;
    case "call.finished":
      addLayers(facts, event.data.layers ?? []);
      if (event.data.artifact !== undefined) addArtifact(facts, event.data.artifact);
      return;
    case "call.decided":
      facts.decisions[event.data.decision] += 1;
      return;
    default:
      addApproval(facts.approvals, event);
  }
}

function addLayers(
  facts: Facts,
  layers: readonly { name: string; digest: string; cached: boolean }[],
): void {
  for (const { name, digest, cached } of layers) {
    if (!facts.layers.has(digest)) facts.layers.set(digest, { name, digest, cached });
  }
}

function addArtifact(facts: Facts, found: { artifact_id: string; name: string | null }): void {
  const { artifact_id, name } = found;
  if (!facts.artifacts.has(artifact_id)) facts.artifacts.set(artifact_id, { artifact_id, name });
}

function addApproval(approvals: Map<string, Approval>, event: RunEvent): void {
  if (event.type === "approval.requested") {
    const { request_id, call_id, tool, binding } = event.data;
    approvals.set(request_id, {
      ...{ request_id, call_id, tool, digest: binding.digest, decision: "pending" },
      ...{ scope: null, answered_by: null, revoked_by: null },
    });
    return;
  }
  if (event.type === "approval.resolved") {
    const { request_id, status, scope, answered_by } = event.data;
    const asked = approvals.get(request_id);
    if (asked) approvals.set(request_id, { ...asked, decision: status, scope, answered_by });
    return;
  }
  if (event.type === "approval.revoked") {
    const asked = approvals.get(event.data.request_id);
    if (asked) asked.revoked_by = event.data.revoked_by;
  }
}
