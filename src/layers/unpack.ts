import { Problem } from "../contract/problem.ts";
import { type ExpansionLimits, zstdCompressed, zstdExpanded } from "./compression.ts";
import { asStorageProblem } from "./disk-errors.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { readTar, type TarLimits } from "./tar-read.ts";
import { writeTar } from "./tar-write.ts";
import { openTreeTarget } from "./tree-target.ts";

/** What may come in as the archive of one layer. */
export interface ArchiveLimits extends TarLimits {
  /** Of the archive as it comes, compressed. */
  archiveBytes: number;
}

/** What entries may take beside their content, on average: long paths need extended headers. */
const headerBytes = 2048;
/** An honest tree of that size may be nothing but zeros; beyond it, what expands a thousandfold is meant to harm. */
const expansion: Omit<ExpansionLimits, "totalBytes"> = { ratio: 1000, freeBytes: 256 * 1024 ** 2 };

/** The archive of a layer for transport: tar.zst, the same bytes for the same layer. See `writeTar` for its errors. */
export function packed(
  tree: string,
  entries: Iterable<LayerEntry>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  return zstdCompressed(writeTar(tree, entries, signal ? { signal } : {}));
}

/**
 * Makes the tree of an archive below `tree`, an empty directory that only the gateway can reach; its files belong to the
 * gateway, are not yet synced, and may be there in part when this fails. Errors: `invalid_request` for an archive that is
 * not exactly a tree, `payload_too_large` beyond a limit, `storage_full`.
 */
export async function unpack(
  source: AsyncIterable<Uint8Array>,
  tree: string,
  limits: ArchiveLimits,
  signal?: AbortSignal,
): Promise<void> {
  const target = openTreeTarget(tree);
  try {
    const bytes = zstdExpanded(atMost(source, limits.archiveBytes), {
      ...expansion,
      totalBytes: limits.totalBytes + limits.entries * headerBytes + 2 ** 20,
    });
    await readTar(bytes, target, limits, signal);
  } catch (error) {
    throw asStorageProblem(error);
  } finally {
    target.close();
  }
}

async function* atMost(
  source: AsyncIterable<Uint8Array>,
  archiveBytes: number,
): AsyncGenerator<Uint8Array, void> {
  let came = 0;
  for await (const chunk of source) {
    came += chunk.length;
    if (came > archiveBytes) {
      const message = `Cannot read the archive: expected at most ${archiveBytes} bytes`;
      throw new Problem("payload_too_large", message, { reason: "archive" });
    }
    yield chunk;
  }
}
