import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import { fieldProblem } from "./field-problems.ts";

const bare = /^[\x21\x23-\x7e][\x20-\x7e]*$/;
const quoted = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/;

/**
 * The key of a submission, from the header `Idempotency-Key` (bare, or the quoted string of RFC 8941 that the IETF draft
 * asks for) or the member `idempotencyKey`. Both may be given when they say the same.
 */
export function idempotencyKey(
  header: string | undefined,
  member: string | undefined,
): string | undefined {
  if (header === undefined) return member;
  const key = headerKey(header.trim());
  if (member !== undefined && member !== key) {
    throw fieldProblem(
      "idempotencyKey",
      "differs from the header Idempotency-Key: send one of them, or the same in both",
    );
  }
  return key;
}

function headerKey(header: string): string {
  const isQuoted = quoted.test(header);
  if (!isQuoted && !bare.test(header)) {
    throw new Problem(
      "invalid_request",
      `Cannot use the header Idempotency-Key ${JSON.stringify(header.slice(0, 100))}: ` +
        "expected printable ASCII, bare or in double quotes",
    );
  }
  const key = isQuoted ? header.slice(1, -1).replace(/\\(["\\])/g, "$1") : header;
  if (key.trim() === "" || key.length > limits.idempotencyKeyChars) {
    throw new Problem(
      "invalid_request",
      `Cannot use the header Idempotency-Key of ${key.length} characters: ` +
        `expected 1 to ${limits.idempotencyKeyChars}, not all blank`,
    );
  }
  return key;
}
