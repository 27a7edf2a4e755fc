import { chunks, readBytes } from "./chunks.ts";
import { type SavedFile, saveTo } from "./files.ts";
import type { Transport } from "./transport.ts";

export interface DownloadOptions {
  /**
   * A file to write (Node only), streamed and put in its place whole. Without it the bytes are
   * returned.
   */
  to?: string;
  signal?: AbortSignal;
}

/** Fetches bytes: into memory, or, when `to` is given, straight to disk. */
export async function downloadBytes(
  transport: Transport,
  path: string,
  options: DownloadOptions,
): Promise<SavedFile | Uint8Array> {
  const { to, signal } = options;
  const response = await transport.open({
    method: "GET",
    path,
    headers: { accept: "*/*" },
    signal,
  });
  if (to === undefined) return await readBytes(response, transport.idleMs, signal);
  return await saveTo(to, chunks(response, transport.idleMs, signal));
}
