import { buffer } from "node:stream/consumers";
import { Problem } from "../contract/problem.ts";
import type { Blobs } from "./content.ts";

/** The bytes of a blob that is small enough, for people to look at. */
export type ContentReader = (sha256: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/**
 * Reads content that is shown beside something that counts more: what is too large, gone or damaged is undefined, and the
 * digest is shown in its place.
 */
export function openContentReader(blobs: Pick<Blobs, "read">): ContentReader {
  return async (sha256, maxBytes) => {
    try {
      const { stream, bytes } = await blobs.read(sha256);
      if (bytes <= maxBytes) return await buffer(stream);
      stream.destroy();
      return undefined;
    } catch (error) {
      if (error instanceof Problem) return undefined;
      throw error;
    }
  };
}
