import { limits } from "../base/limits.ts";
import { restore } from "../content/content.ts";
import type { Approval } from "../contract/approval.ts";
import { isBlobRef, literalOf } from "../contract/blob-ref.ts";
import { Problem } from "../contract/problem.ts";
import type { ReadContent } from "./since-approved.ts";

/**
 * The approval with every string of its request whole again: what was too long for its event lies in a blob. Throws
 * `digest_mismatch` when one of a pending request is gone or damaged, for nobody may say yes to what nobody can see; of
 * one that has its answer the head is shown then, because it may outlive its run.
 */
export async function withWholeRequest(approval: Approval, read: ReadContent): Promise<Approval> {
  const get = async (digest: string) => {
    const bytes = await read(digest, limits.modelAnswerBytes);
    if (bytes !== undefined) return Buffer.from(bytes);
    const message = `A part of what ${approval.id} asks for is gone or damaged (${digest})`;
    throw new Problem("digest_mismatch", message);
  };
  try {
    const request = (await restore(approval.request, { get })) as Approval["request"];
    return { ...approval, request };
  } catch (error) {
    if (approval.status === "pending" || !(error instanceof Problem)) throw error;
    return withHeads(approval);
  }
}

/** The approval as lists show it: of a string that was too long for its event, the head. */
export function withHeads(approval: Approval): Approval {
  return { ...approval, request: headsOf(approval.request) as Approval["request"] };
}

function headsOf(value: unknown): unknown {
  if (isBlobRef(value)) return `${value.head}…`;
  // What merely looks like a reference is the agent's own.
  const node = literalOf(value) ?? value;
  if (Array.isArray(node)) return node.map(headsOf);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([name, member]) => [name, headsOf(member)]));
}
