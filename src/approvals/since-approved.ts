import { createTwoFilesPatch } from "diff";
import { limits } from "../base/limits.ts";
import type { Approval, ApprovalRequest, SinceApproved } from "../contract/approval.ts";
import { bindingParts } from "../contract/approval.ts";

/** The bytes of a blob; undefined when there are none (any more), or more than `maxBytes`. */
export type ReadContent = (sha256: string, maxBytes: number) => Promise<Uint8Array | undefined>;

type Change = SinceApproved["changes"][number];

/**
 * What is not as it was when the same agent was last approved with the same tool. A diff is empty where only digests are
 * known: the content is gone, is not text, or is larger than `limits.approvalDiffBytes`.
 */
export async function sinceApproved(
  last: Approval,
  now: Approval,
  read: ReadContent,
): Promise<SinceApproved> {
  const [before, after] = [last.request, now.request];
  const changes: Change[] = [];
  compare(changes, "command", before.subject.command ?? "", after.subject.command ?? "");
  compare(changes, "arguments", argumentsOf(before), argumentsOf(after));
  compare(changes, "entrypoint", before.subject.entrypoint ?? "", after.subject.entrypoint ?? "");
  compare(changes, "hosts", lines(before.hosts), lines(after.hosts));
  await compareFiles(changes, before, after, read);
  const told = new Set(["arguments", "entrypoint", "hosts"]);
  for (const part of bindingParts) {
    if (told.has(part) || before.binding.parts[part] === after.binding.parts[part]) continue;
    changes.push({ what: part, diff: "" });
  }
  return { approvalId: last.id, approvedAt: last.answeredAt ?? last.requestedAt, changes };
}

async function compareFiles(
  changes: Change[],
  before: ApprovalRequest,
  after: ApprovalRequest,
  read: ReadContent,
): Promise<void> {
  const old = new Map(before.subject.files.map(({ name, sha256 }) => [name, sha256]));
  const current = new Map(after.subject.files.map(({ name, sha256 }) => [name, sha256]));
  const names = [...new Set([...old.keys(), ...current.keys()])].sort();
  const changed = names.filter((name) => old.get(name) !== current.get(name));
  for (const name of changed.slice(0, limits.approvalDiffFiles)) {
    const texts = [await textOf(old.get(name), read), await textOf(current.get(name), read)];
    const [from, to] = texts;
    const diff = from === undefined || to === undefined ? "" : patch(name, from, to);
    changes.push({ what: `file ${name}`, diff });
  }
  const more = changed.length - limits.approvalDiffFiles;
  if (more > 0) changes.push({ what: `${more} files more`, diff: "" });
}

/** A file that is not there is empty; undefined: it cannot be shown. */
async function textOf(sha256: string | undefined, read: ReadContent): Promise<string | undefined> {
  if (sha256 === undefined) return "";
  const bytes = await read(sha256, limits.approvalDiffBytes);
  if (bytes === undefined || bytes.length > limits.approvalDiffBytes) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    // Not text: its digest has to do.
    return undefined;
  }
}

function compare(changes: Change[], what: string, before: string, after: string): void {
  if (before === after) return;
  const isShort = [before, after].every((text) => text.length <= limits.approvalDiffBytes);
  changes.push({ what, diff: isShort ? patch(what, before, after) : "" });
}

/** How long one comparison may take: two unlike files of the allowed size would take minutes. */
const patchMs = 200;

function patch(name: string, before: string, after: string): string {
  const options = { context: 3, timeout: patchMs };
  return createTwoFilesPatch(name, name, before, after, "approved", "asked", options) ?? "";
}

/** The command has a diff of its own. */
function argumentsOf({ subject }: ApprovalRequest): string {
  const { command: _, ...rest } = subject.arguments;
  return `${JSON.stringify(rest, null, 2)}\n`;
}

function lines(hosts: readonly string[]): string {
  return [...hosts]
    .sort()
    .map((host) => `${host}\n`)
    .join("");
}
