import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../contract/problem.ts";
import { asStorageProblem } from "./disk-errors.ts";
import { newIncoming, removeAside } from "./places.ts";
import { type Publisher, publish, type StoredLayer } from "./publish.ts";
import { unpack } from "./unpack.ts";

export interface ImportOptions {
  /** The digest that the sender named; anything else is refused. */
  expected?: string;
  /** What the archive may weigh as it comes. */
  archiveBytes: number;
}

/**
 * Makes a layer of an archive: unpacked beside the layers, and then finished as a captured tree is. Whatever fails
 * leaves nothing. Errors: those of `unpack`, and `digest_mismatch` when the tree is sound and not the expected one.
 */
export async function importLayer(
  publisher: Publisher,
  source: AsyncIterable<Uint8Array>,
  { expected, archiveBytes }: ImportOptions,
  signal: AbortSignal,
): Promise<StoredLayer> {
  const incoming = newIncoming(publisher.places);
  try {
    const tree = join(incoming, "tree");
    mkdirSync(tree, { mode: 0o700 });
    await unpack(source, tree, { ...publisher.limits, archiveBytes }, signal);
    const published = await publish(publisher, incoming, signal, { expected, isWhole: true });
    if (!published.ok) {
      const message = `Cannot make a layer of the archive: ${published.reason}`;
      throw new Problem("invalid_request", message, { reason: published.reason });
    }
    return published.layer;
  } catch (error) {
    await removeAside(publisher, incoming);
    throw asStorageProblem(error);
  }
}
