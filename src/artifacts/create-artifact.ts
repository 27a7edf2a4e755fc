import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { artifactIdentity } from "../base/artifact-identity.ts";
import type { Clock } from "../base/clock.ts";
import { type Blobs, placeFiles, type Uploads } from "../content/content.ts";
import type { Artifact, ArtifactLayer } from "../contract/artifact.ts";
import type { ArtifactUpload } from "../contract/artifact-request.ts";
import { Problem } from "../contract/problem.ts";
import type { Store } from "../store/store.ts";
import { type ArtifactInput, mergeInputs } from "./merge-inputs.ts";
import { soundArtifact } from "./sound.ts";

export interface ArtifactRooms {
  store: Pick<Store, "layers" | "artifacts">;
  blobs: Blobs;
  clock: Clock;
}

type Upload = z.output<typeof ArtifactUpload>;

/**
 * Makes an artifact of what a client sent, and a new ref to it for the whole workspace. The same bundle is the same
 * artifact (`created: false`). Whatever it names of the workspace must be there: a layer or an artifact that only another
 * workspace has is answered like one that nobody has (I14).
 */
export async function createArtifact(
  { store, blobs, clock }: ArtifactRooms,
  workspaceId: string,
  upload: Upload,
  uploads: Uploads,
): Promise<{ created: boolean; artifact: Artifact }> {
  // What costs nothing is asked first: bytes are stored for a request that can come to something.
  const bundles = await findInputs(store, workspaceId, upload.inputs ?? []);
  const layers = await findLayers(store, workspaceId, upload.layers ?? []);
  const files = await placeFiles(blobs, upload.files ?? [], uploads);
  const loose = files.map(({ path, ...file }) => ({ type: "file", file: { name: path, ...file } }));
  const merged = mergeInputs({
    inputs: [...bundles, ...(loose as ArtifactInput[])],
    ...{ layers, entrypoints: upload.entrypoints, kind: upload.kind },
  });
  if (!merged.ok) throw refusal(merged.message);
  const { manifest } = merged;
  if (manifest.files.length === 0 && manifest.layers.length === 0) {
    throw refusal("files: there is nothing in this artifact; expected a file, a layer or an input");
  }
  const { id } = artifactIdentity(manifest);
  const known = await store.artifacts.get(workspaceId, id, null);
  const artifact = await store.artifacts.add(
    workspaceId,
    {
      ...{ manifest, name: upload.name ?? null, runId: null, callId: null },
      createdAt: new Date(clock.now()).toISOString(),
    },
    `ar.${randomBytes(12).toString("hex")}`,
  );
  return { created: known === undefined, artifact };
}

async function findInputs(
  store: ArtifactRooms["store"],
  workspaceId: string,
  names: readonly string[],
): Promise<ArtifactInput[]> {
  const found: ArtifactInput[] = [];
  for (const [index, name] of names.entries()) {
    const artifact = await store.artifacts.get(workspaceId, name, null);
    if (artifact === undefined) throw notFound(`inputs[${index}]`, "artifact", name);
    const { kind, files, entrypoints, layers } = soundArtifact(artifact);
    found.push({ type: "artifact", name, manifest: { kind, files, entrypoints, layers } });
  }
  return found;
}

async function findLayers(
  store: ArtifactRooms["store"],
  workspaceId: string,
  wanted: NonNullable<Upload["layers"]>,
): Promise<ArtifactLayer[]> {
  const found: ArtifactLayer[] = [];
  for (const [index, { layer, mount_path, mount_as }] of wanted.entries()) {
    const known = await store.layers.get(workspaceId, layer);
    if (known === undefined) throw notFound(`layers[${index}].layer`, "layer", layer);
    const { name, digest } = known;
    found.push({ name, digest, mount_path, mount_as: mount_as ?? null });
  }
  return found;
}

function notFound(field: string, what: string, name: string): Problem {
  const message = `there is no ${what} ${JSON.stringify(name)}`;
  return new Problem("not_found", `${field}: ${message}`, { fields: [{ path: field, message }] });
}

/** The message names its field before the colon. */
function refusal(text: string): Problem {
  const at = text.indexOf(": ");
  const field = { path: text.slice(0, at), message: text.slice(at + 2) };
  return new Problem("invalid_request", text, { fields: [field] });
}
