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
  // Only of the ends: the whole is megabytes, once for each stream of each command.
  const ending = Buffer.concat([kept.subarray(-limits.callOutputShownBytes), tail]);
  const head = kept.subarray(0, characterEnd(kept, half));
  const end = ending.subarray(characterEnd(ending, ending.length - half));
  const leftOut = totalBytes - head.length - end.length;
  return `${head.toString("utf8")}\n[… ${leftOut} bytes are left out here …]\n${end.toString("utf8")}`;
}

/** Steps forward to where a character begins, at most over the three bytes that one can go on for. */
function characterEnd(bytes: Buffer, at: number): number {
  let end = at;
  while (end < at + 3 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end += 1;
  return end;
}

/** Keeps a stream that was too long to be shown whole as a blob, up to the cap. Secrets were cut out as it came (I6). */
export async function keepStream(
  { kept, totalBytes }: StreamCapture,
  { blobs }: Pick<ToolContext, "blobs">,
): Promise<{ blob: string; bytes: number; truncated: boolean } | undefined> {
  if (totalBytes <= limits.callOutputShownBytes) return undefined;
  const { sha256 } = await blobs.put(kept);
  return { blob: sha256, bytes: totalBytes, truncated: totalBytes > kept.length };
}
