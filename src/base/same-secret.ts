import { createHash, timingSafeEqual } from "node:crypto";

/**
 * Whether somebody has shown the right secret; an empty one is never right. By digest, so that the time it takes says
 * nothing of how much of it was.
 */
export function isSameSecret(given: string, wanted: string): boolean {
  return wanted !== "" && timingSafeEqual(digestOf(given), digestOf(wanted));
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
