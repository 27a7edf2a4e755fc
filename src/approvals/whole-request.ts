import type { Log } from "../base/log.ts";
import type { ApprovalRequest } from "../contract/approval.ts";
import { type BlobRef, isBlobRef, jsonKey, literalOf, onlyMember } from "../contract/blob-ref.ts";
import { Problem } from "../contract/problem.ts";

/** Puts back the strings that were too long for an event; fails when one of them cannot be read. */
export type Restore = (value: unknown) => Promise<unknown>;

/**
 * A request with every string whole, as it was before the journal took the long ones out: a person has to see everything
 * that will run (P3). A string that cannot be read any more, because its run was deleted, is its first characters and a
 * note that says so. Never fails: the rest of the request, and that a part of it is missing, must be seen all the same.
 */
export async function wholeRequest(
  request: ApprovalRequest,
  restore: Restore,
  log: Log,
): Promise<ApprovalRequest> {
  async function whole(value: unknown): Promise<unknown> {
    const ref = refIn(value);
    if (ref !== undefined) return put(value, ref);
    const node = literalOf(value) ?? value;
    if (typeof node !== "object" || node === null) return node;
    if (Array.isArray(node)) return inOrder(node, whole);
    const members = await inOrder(Object.entries(node), async ([key, member]) => [
      key,
      await whole(member),
    ]);
    return Object.fromEntries(members);
  }

  async function put(value: unknown, ref: BlobRef): Promise<unknown> {
    try {
      return await restore(value);
    } catch (error) {
      const isGone = error instanceof Problem && error.code === "not_found";
      if (!isGone) log.error({ err: error, approval: request.request_id }, "approvals.text_unread");
      const note = noteOn(ref, isGone ? "gone" : "damaged");
      // An object stays one, for whoever reads its members.
      return isBlobRef(value) ? note : { [jsonKey]: note };
    }
  }

  return (await whole(request)) as ApprovalRequest;
}

/** One after the other: many long strings at once would open as many files. */
async function inOrder<T, R>(values: T[], map: (value: T) => Promise<R>): Promise<R[]> {
  const mapped: R[] = [];
  for (const value of values) mapped.push(await map(value));
  return mapped;
}

/** The reference that stands for a string, or for a whole object with a member name that was too long. */
function refIn(value: unknown): BlobRef | undefined {
  const named = isBlobRef(value) ? value : onlyMember(value, jsonKey);
  return isBlobRef(named) ? named : undefined;
}

/** The note is on a line of its own, so that it is not taken for a part of what would run. */
function noteOn({ head, bytes, blob }: BlobRef, state: "gone" | "damaged"): string {
  const rest = bytes - Buffer.byteLength(head);
  return `${head}\n[The other ${rest} of ${bytes} bytes are ${state}: ${blob}]`;
}
