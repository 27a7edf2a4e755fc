import { chunks, joined } from "./chunks.ts";
import { type SavedFile, saveTo } from "./files.ts";
import type { ApiRequest, Transport } from "./transport.ts";

export interface DownloadOptions {
  /**
   * A file to write (Node only), streamed and put in its place whole. Without it the bytes are
   * returned.
   */
  to?: string;
  /** Told how many bytes have come so far. */
  onProgress?: (bytes: number) => void;
  signal?: AbortSignal;
}

/** Fetches bytes: into memory, or, when `to` is given, straight to disk. */
export async function downloadBytes(
  transport: Transport,
  request: Pick<ApiRequest, "path" | "query" | "patient">,
  options: DownloadOptions,
): Promise<SavedFile | Uint8Array> {
  const { to, onProgress, signal } = options;
  const headers = { accept: "*/*" };
  const response = await transport.open({ method: "GET", ...request, headers, signal });
  const pieces = counted(chunks(response, transport.idleMs, signal, transport.closing), onProgress);
  return to === undefined ? await joined(pieces) : await saveTo(to, pieces);
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onProgress: DownloadOptions["onProgress"],
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    onProgress?.(bytes);
    yield piece;
  }
}
