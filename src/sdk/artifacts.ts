import type { Artifact } from "../contract/artifact.ts";
import type { ArtifactProof } from "../contract/artifact-proof.ts";
import {
  type ArtifactExec,
  ArtifactExec as ArtifactExecSchema,
  type ArtifactProve,
  ArtifactProve as ArtifactProveSchema,
  type ArtifactUpload,
  ArtifactUpload as ArtifactUploadSchema,
} from "../contract/artifact-request.ts";
import type { Run } from "../contract/run.ts";
import { type DownloadOptions, downloadBytes } from "./download.ts";
import type { SavedFile } from "./files.ts";
import type { InputSource } from "./input-files.ts";
import type { RunRef } from "./run-ref.ts";
import { checkRequest, requestWithFiles } from "./submit.ts";
import { type PageOptions, pages, type Signal, type Transport } from "./transport.ts";

/** What an artifact is made of. Everything but `files` and `signal` is sent as it is. */
export interface ArtifactCreateOptions extends Omit<ArtifactUpload, "files"> {
  /** Files of the artifact; they lie at `/tmp/<path>`. */
  files?: InputSource[];
  signal?: AbortSignal;
}

export interface ArtifactExportOptions extends DownloadOptions {
  /** `oci`: files and layers as an OCI image layout in a tar; `zip`: the files and a manifest. */
  format: "oci" | "zip";
}

/** Artifacts of the workspace: immutable bundles of files, layers and entrypoints. */
export interface ArtifactCalls {
  /** One page of artifacts, newest first; `nextCursor` is there when there are more. */
  list(options?: PageOptions): Promise<{ artifacts: Artifact[]; nextCursor?: string }>;
  /** All artifacts, newest first, fetched page by page as the loop goes on. */
  all(options?: Signal): AsyncGenerator<Artifact>;
  /** An artifact by its id (`art_…`) or a ref (`ar.…`), as everywhere here, and what was proved of it, newest first. */
  get(artifact: string, options?: Signal): Promise<{ artifact: Artifact; proofs: ArtifactProof[] }>;
  /** Makes an artifact. The same bundle is the same artifact; each request gives a ref of its own. */
  create(options: ArtifactCreateOptions): Promise<Artifact>;
  /** Starts one program of an artifact: a run without a model and without network. */
  exec(artifact: string, options: ArtifactExec & Signal): Promise<RunRef>;
  /** The same, kept as evidence; a shell command can stand in place of an entrypoint. */
  prove(artifact: string, options?: ArtifactProve & Signal): Promise<RunRef>;
  /** An artifact for other tools, as bytes or, with `to`, as a file. */
  export(artifact: string, options: ArtifactExportOptions & { to: string }): Promise<SavedFile>;
  export(artifact: string, options: ArtifactExportOptions): Promise<SavedFile | Uint8Array>;
  /** Takes a ref (`ar.…`) out of force. The artifact stays, with its id and with other refs. */
  revoke(ref: string, options?: Signal): Promise<void>;
}

const root = "/api/artifacts";

/** `runOf` makes the handle of a run that was started. */
export function openArtifactCalls(
  transport: Transport,
  runOf: (runId: string) => RunRef,
): ArtifactCalls {
  const list: ArtifactCalls["list"] = async ({ limit, cursor, signal } = {}) => {
    const query = { limit, cursor };
    const page = await transport.json({ method: "GET", path: root, query, signal });
    return page as { artifacts: Artifact[]; nextCursor?: string };
  };

  /** With a key of its own when none is given, so that a repeated request cannot start a second run. */
  async function start(
    path: string,
    body: { idempotencyKey?: string | undefined },
    signal: AbortSignal | undefined,
  ): Promise<RunRef> {
    const json = { ...body, idempotencyKey: body.idempotencyKey ?? crypto.randomUUID() };
    const request = { method: "POST", path, json, repeatable: true, signal } as const;
    return runOf(((await transport.json(request)) as { run: Run }).run.id);
  }

  return {
    list,
    all: (options) => pages(options, list, ({ artifacts }) => artifacts),
    async get(artifact, { signal } = {}) {
      const answer = await transport.json({ method: "GET", path: at(artifact), signal });
      return answer as { artifact: Artifact; proofs: ArtifactProof[] };
    },
    async create({ signal, ...upload }) {
      const request = await requestWithFiles(root, upload, ArtifactUploadSchema);
      // Sent twice, it is one artifact with two refs.
      const answer = await transport.json({ ...request, repeatable: true, signal });
      return (answer as { artifact: Artifact }).artifact;
    },
    async exec(artifact, { signal, ...body }) {
      checkRequest(ArtifactExecSchema, body);
      return start(`${at(artifact)}/exec`, body, signal);
    },
    async prove(artifact, { signal, ...body } = {}) {
      checkRequest(ArtifactProveSchema, body);
      return start(`${at(artifact)}/prove`, body, signal);
    },
    export: ((artifact: string, { format, ...options }: ArtifactExportOptions) => {
      const request = { path: `${at(artifact)}/export`, query: { format }, patient: true };
      return downloadBytes(transport, request, options);
    }) as ArtifactCalls["export"],
    async revoke(ref, { signal } = {}) {
      await transport.json({ method: "DELETE", path: at(ref), signal });
    },
  };
}

function at(artifact: string): string {
  return `${root}/${encodeURIComponent(artifact)}`;
}
