import type { Abi, Layer } from "../contract/layer.ts";
import { type DownloadOptions, downloadBytes } from "./download.ts";
import { AirlockError } from "./errors.ts";
import { openPath, type SavedFile } from "./files.ts";
import { type PageOptions, pages, type Signal, type Transport } from "./transport.ts";

/** The archive of a layer: a path on this machine (Node only), which is streamed, a Blob, or bytes. */
export type LayerSource = string | Blob | Uint8Array;

export interface LayerImportOptions {
  /** What the layer is called. One that the workspace has already keeps its name. */
  name: string;
  /** The digest that it must have, `sha256:` and 64 hex digits; anything else is refused. */
  digest?: string;
  /** What it runs on; left out: anything. */
  abi?: Abi;
  /** Told how many bytes of the archive have been sent. */
  onProgress?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Layers of the workspace: trees of installed things, named by what is in them. */
export interface LayerCalls {
  /** One page of layers, newest first; `nextCursor` is there when there are more. */
  list(options?: PageOptions): Promise<{ layers: Layer[]; nextCursor?: string }>;
  /** All layers, newest first, fetched page by page as the loop goes on. */
  all(options?: Signal): AsyncGenerator<Layer>;
  /** A layer by its id (`layer_…`) or its digest (`sha256:…`), as everywhere here. */
  get(layer: string, options?: Signal): Promise<Layer>;
  /** What is in a layer, as CycloneDX 1.6: packages with names and versions. */
  sbom(layer: string, options?: Signal): Promise<Record<string, unknown>>;
  /** Reads all of a layer and holds it against its digest. Takes as long as reading it. */
  verify(layer: string, options?: Signal): Promise<{ ok: boolean; reason?: string }>;
  /** The archive of a layer, tar.zst: the same bytes for the same layer. With `to`, a file. */
  export(layer: string, options: DownloadOptions & { to: string }): Promise<SavedFile>;
  export(layer: string, options?: DownloadOptions): Promise<Uint8Array>;
  export(layer: string, options?: DownloadOptions): Promise<SavedFile | Uint8Array>;
  /** Makes a layer of an archive, as `export` gives it. Importing it again changes nothing. */
  import(source: LayerSource, options: LayerImportOptions): Promise<Layer>;
  /** Removes a layer that nothing needs; `layer_in_use` says that something does. */
  delete(layer: string, options?: Signal): Promise<void>;
}

const root = "/api/layers";

export function openLayerCalls(transport: Transport): LayerCalls {
  const get = async <T>(path: string, { signal }: Signal = {}) =>
    (await transport.json({ method: "GET", path, signal })) as T;
  const list: LayerCalls["list"] = async ({ limit, cursor, signal } = {}) => {
    const query = { limit, cursor };
    const page = await transport.json({ method: "GET", path: root, query, signal });
    return page as { layers: Layer[]; nextCursor?: string };
  };
  return {
    list,
    all: (options) => pages(options, list, ({ layers }) => layers),
    get: async (layer, options) => (await get<{ layer: Layer }>(at(layer), options)).layer,
    sbom: (layer, options) => get(`${at(layer)}/sbom`, options),
    async verify(layer, { signal } = {}) {
      const path = `${at(layer)}/verify`;
      const request = { method: "POST", path, patient: true, repeatable: true, signal } as const;
      return (await transport.json(request)) as { ok: boolean; reason?: string };
    },
    export: ((layer: string, options: DownloadOptions = {}) =>
      downloadBytes(transport, { path: `${at(layer)}/export` }, options)) as LayerCalls["export"],
    async import(source, { name, digest, abi, onProgress, signal }) {
      const request = { method: "POST", path: root, query: { name, digest, ...abi } } as const;
      const raw = { blob: await blobOf(source), type: "application/zstd", onProgress };
      // The same archive gives the same layer, however often it comes.
      const sent = { ...request, raw, patient: true, repeatable: true, signal };
      return ((await transport.json(sent)) as { layer: Layer }).layer;
    },
    async delete(layer, { signal } = {}) {
      await transport.json({ method: "DELETE", path: at(layer), signal });
    },
  };
}

async function blobOf(source: LayerSource): Promise<Blob> {
  if (typeof source === "string") return (await openPath(source, "source")).blob;
  if (source instanceof Blob) return source;
  if (source instanceof Uint8Array) return new Blob([new Uint8Array(source)]);
  const message = "source must be a path, a Blob or bytes";
  throw new AirlockError({ code: "invalid_request", message });
}

function at(layer: string): string {
  return `${root}/${encodeURIComponent(layer)}`;
}
