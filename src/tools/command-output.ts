import { limits } from "../base/limits.ts";
import type { StreamCapture } from "../sandbox/sandbox.ts";
import type { ToolContext } from "./tool.ts";

/**
 * What the model is shown of a stream: all of it, or its head and its tail with a line between that says how much was
 * left out. Bytes that are not UTF-8 become U+FFFD here; the blob has them as they were.
 */
export function shownText({ kept, tail, totalBytes }: StreamCapture): string {
  if (totalBytes <= limits.callOutputShownBytes) return kept.toString("utf8");
  const half = limits.callOutputShownBytes / 2;
  const end = totalBytes > kept.length ? Buffer.concat([kept, tail]) : kept;
  const headText = kept.subarray(0, half).toString("utf8");
  const tailText = end.subarray(-half).toString("utf8");
  return `${headText}\n[… ${totalBytes - 2 * half} bytes are left out here …]\n${tailText}`;
}

/** Keeps a stream that was too long to be shown whole as a blob, up to the cap. */
export async function keepStream(
  { kept, totalBytes }: StreamCapture,
  { blobs, redact }: Pick<ToolContext, "blobs" | "redact">,
): Promise<{ blob: string; bytes: number; truncated: boolean } | undefined> {
  if (totalBytes <= limits.callOutputShownBytes) return undefined;
  const { sha256 } = await blobs.put(redact(kept));
  return { blob: sha256, bytes: totalBytes, truncated: totalBytes > kept.length };
}
