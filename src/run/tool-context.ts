import type { ToolContext } from "../tools/tools.ts";
import { callLimits } from "./call-limits.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";
import { networkOf, surroundingsOf } from "./surroundings.ts";

/** What one call may touch: its run's own, and the hosts that the decision opened to it. */
export async function toolContext(
  drive: Drive,
  callId: string,
  hosts: readonly string[],
  approvalId?: string,
): Promise<ToolContext> {
  const { runId, workspaceId, live, store, layers } = drive;
  return {
    ...{ runId, callId, hosts, layers, approved: approvalId !== undefined },
    place: await openPlace(drive),
    sandbox: drive.sandbox,
    blobs: drive.blobs,
    content: () => store.files.content(runId),
    placed: drive.ledger.state.placed,
    layerBytes: [...drive.ledger.state.layerBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
    limits: callLimits(drive.limits),
    redact: drive.record.redact,
    onOutput: (stream, offset, text) =>
      live.publish(runId, { type: "call.output", data: { call_id: callId, stream, offset, text } }),
    onCapturing: (path, bytes) =>
      live.publish(runId, { type: "call.capturing", data: { call_id: callId, path, bytes } }),
    signal: drive.signal,
    now: () => drive.clock.now(),
    surroundings: (reached, captures) => surroundingsOf(drive, reached, captures),
    async withNetwork(reached, work) {
      if (reached.length === 0) return { value: await work(), contacted: [] };
      return (await networkOf(drive)).during(callId, reached, work, cutOf(drive, approvalId));
    },
    holdLayer: (digest) => drive.held.open(digest),
    builds: drive.builds,
    findLayer: (idOrDigest) => store.layers.get(workspaceId, idOrDigest),
    findArtifact: (idOrRef) => store.artifacts.get(workspaceId, idOrRef, runId),
  };
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
