import { z } from "zod";
import { type BundleEntry, bundleManifest } from "../contract/bundle.ts";
import { Digest } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";

const Manifest = z.strictObject({
  schema: z.literal("airlock.bundle.v1"),
  files: z.array(
    z.strictObject({
      mode: z.enum(["0644", "0755"]),
      path: z.string(),
      sha256: Digest,
      size: z.int().nonnegative(),
    }),
  ),
});

/**
 * The files of a bundle from the text of its manifest, sorted by path. Throws `digest_mismatch` for a text that is the
 * manifest of no bundle, or not its canonical one: a blob of a run may have any digest, and be named as a bundle.
 */
export function entriesOf(contentHash: string, text: string): BundleEntry[] {
  try {
    const entries = Manifest.parse(JSON.parse(text)).files.map(({ mode, ...file }) => ({
      ...file,
      mode: mode === "0755" ? (0o755 as const) : (0o644 as const),
    }));
    if (bundleManifest(entries) === text) return entries;
    throw new Error("It is not written in its canonical form");
  } catch (cause) {
    const message = `The bundle ${contentHash} is not what its digest says`;
    throw new Problem("digest_mismatch", message, { contentHash }, { cause });
  }
}
