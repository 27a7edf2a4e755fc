import type { ApprovalDetail } from "../contract/approval.ts";
import { bindingParts } from "../contract/approval.ts";
import { isBlobRef } from "../contract/blob-ref.ts";
import { CredentialEnv, credentialVariables } from "../contract/secret.ts";
import { findingLines } from "./findings.ts";
import { showHost } from "./host-names.ts";
import { openReading, type Reading } from "./overlooked.ts";
import { own, type PageLine, quote } from "./page.ts";
import type { Printer } from "./print.ts";
import { spell } from "./spell.ts";
import { count, showBytes } from "./words.ts";

type Color = Printer["color"];

export interface ApprovalPage {
  lines: PageLine[];
  /** What a person could overlook, in sentences. Empty: everything is as it looks. */
  overlooked: string[];
}

/**
 * An approval as a person must see it who answers for it: exactly what will run, all of it, with what is easily
 * overlooked said first.
 */
export function describeApproval(approval: ApprovalDetail, color: Color): ApprovalPage {
  const reading = openReading();
  const body = [
    ...about(approval, reading, color),
    ...subject(approval, reading, color),
    ...secrets(approval, reading, color),
    ...reach(approval, reading, color),
    ...sinceApproved(approval, reading, color),
    ...bound(approval, reading, color),
    ...scopes(approval, reading, color),
    ...answered(approval, reading, color),
  ];
  const overlooked = reading.overlooked();
  const { id, status, request } = approval;
  const head = `${id}  ${status}  ${reading.line(request.tool)}`;
  const notices = overlooked.map((sentence) => own(`! ${sentence}`, color.yellow));
  return { lines: [own(head, color.bold), ...notices, ...body], overlooked };
}

function about(approval: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { runId, rootRunId, request, requestedAt, identical } = approval;
  const { agent, rule, intent, warning } = request;
  const of = rootRunId === runId ? "" : ` of ${rootRunId}`;
  const lines = [
    own(`  run      ${runId}${of}`),
    own(`  agent    ${reading.line(agent.id ?? "(inline)")}  ${agent.revision}`),
    own(`  asked    ${requestedAt}, until ${request.expires_at}`),
    own(`  because  ${reading.line(rule)}`),
  ];
  if (identical > 1) lines.push(own(`  waiting  ${count(identical, "call")} that are the same`));
  if (warning !== null) lines.push(own(`! ${reading.line(warning)}`, color.yellow));
  if (intent === null) return lines;
  lines.push(own("what it is for, in the agent's own words", color.bold));
  return [...lines, ...quote(reading.text(intent), () => color.italic)];
}

function subject({ request }: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { command, entrypoint, artifact_id, artifact_digest, files } = request.subject;
  const lines: PageLine[] = [];
  if (command !== null) {
    reading.measure("The command", command);
    lines.push(own("it will run", color.bold), ...quote(reading.text(command)));
  }
  if (artifact_id !== null) {
    lines.push(own("in the artifact", color.bold));
    lines.push(own(`  ${artifact_id}  ${artifact_digest ?? ""}`));
    if (entrypoint !== null) lines.push(own(`  it starts ${reading.line(entrypoint)}`));
  }
  lines.push(...serverLines(request.subject, reading, color));
  const { credential_env: _, ...others } = request.subject.arguments;
  const told = namedSecrets(request.subject) !== undefined;
  const rest = told ? others : request.subject.arguments;
  const args = argumentLines(rest, { command, intent: request.intent }, reading);
  if (args.length > 0) lines.push(own("arguments", color.bold), ...args);
  if (files.length > 0) {
    lines.push(own(artifact_id === null ? "files that it sees" : "files", color.bold));
    for (const { name, sha256 } of files) {
      lines.push({ mark: "  │ ", text: `${sha256}  ${reading.line(name)}` });
    }
  }
  return lines;
}

/** The remote server that would do it: what it makes of the arguments nobody here can tell. */
function serverLines(
  { server }: ApprovalDetail["request"]["subject"],
  reading: Reading,
  color: Color,
): PageLine[] {
  if (server === undefined) return [];
  const { name, url, tool, description } = server;
  const lines = [
    own("it asks an MCP server, which does with it what it likes", color.bold),
    own(`  the tool ${reading.line(tool)} of ${reading.line(name)}, at ${reading.line(url)}`),
  ];
  if (description === "") return lines;
  lines.push(own("what the server says of the tool, in its own words", color.bold));
  return [...lines, ...quote(reading.text(description), () => color.italic)];
}

/** The secrets that the call would have in its environment, by name: whatever it runs can read them. */
function secrets({ request }: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const named = namedSecrets(request.subject);
  if (named === undefined) return [];
  const lines = [own("secrets that its code can read, by variable", color.bold)];
  for (const [variable, name] of Object.entries(named)) {
    const text = `${reading.line(variable)} is the secret ${reading.line(name)}`;
    lines.push({ mark: "  │ ", text, paint: color.yellow });
  }
  return lines;
}

/** What a remote server calls so is an argument like any other. */
function namedSecrets({
  server,
  arguments: { credential_env },
}: ApprovalDetail["request"]["subject"]): Record<string, string> | undefined {
  if (server !== undefined) return undefined;
  const given = CredentialEnv.safeParse(credential_env);
  return given.success ? credentialVariables(given.data) : undefined;
}

/** All arguments but those that are shown already, each as JSON. */
function argumentLines(
  args: Record<string, unknown>,
  shown: Record<string, string | null>,
  reading: Reading,
): PageLine[] {
  return Object.entries(args)
    .filter(([name, value]) => value !== (shown[name] ?? undefined))
    .flatMap(([name, value]) => {
      if (isBlobRef(value)) {
        const size = showBytes(value.bytes);
        reading.warn(`The argument ${reading.line(name)} is shown in part only: it has ${size}`);
      }
      return quote(`${reading.line(name)}: ${reading.text(JSON.stringify(value, null, 2))}`);
    });
}

function reach({ request }: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { hosts, findings } = request;
  const lines = [own(hosts.length === 0 ? "it will reach no host" : "it will reach", color.bold)];
  for (const host of hosts) {
    const { text, warning } = showHost(host);
    if (warning !== undefined) reading.warn(warning);
    lines.push({ mark: "  │ ", text, paint: warning === undefined ? undefined : color.yellow });
  }
  if (findings.length === 0) return lines;
  lines.push(own("what in it points to the network", color.bold));
  return [...lines, ...findingLines(findings, reading)];
}

function sinceApproved(approval: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const since = approval.sinceApproved;
  if (since === null) return [];
  const { approvalId, approvedAt, changes } = since;
  const none = changes.length === 0 ? ": nothing has changed" : "";
  const lines = [own(`since ${approvalId} was approved, ${approvedAt}${none}`, color.bold)];
  for (const { what, diff } of changes) {
    lines.push(own(`  ${reading.line(what)}${diff === "" ? " is another one" : ""}`));
    // What was there before may hide what it likes: it does not run.
    reading.text(diff.replace(/^[^+].*\n?/gm, ""));
    if (diff !== "") lines.push(...quote(spell(diff).text, diffPaint(color)));
  }
  return lines;
}

function diffPaint(color: Color) {
  return (line: string) =>
    line.startsWith("+") ? color.green : line.startsWith("-") ? color.red : undefined;
}

function bound({ request }: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { digest, parts } = request.binding;
  const known: readonly string[] = bindingParts;
  const names = Object.keys(parts).sort((a, b) => known.indexOf(a) - known.indexOf(b));
  return [
    own("an approval is for exactly this, and for nothing else", color.bold),
    own(`  ${digest}`),
    ...names.flatMap((name) =>
      quote(`${reading.line(name).padEnd(11)}  ${reading.line(parts[name] ?? "")}`),
    ),
  ];
}

function scopes(approval: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { status, request, previews } = approval;
  if (status !== "pending") return [];
  const lines = [own("how far an approval can reach", color.bold)];
  for (const scope of request.scopes) {
    const preview = previews.find((one) => one.scope === scope);
    const past = preview?.count ?? 0;
    const also = past === 0 ? "" : `: it would also have allowed ${count(past, "past call")}`;
    const isDefault = scope === request.default_scope ? " (unless told)" : "";
    lines.push(own(`  ${scope}${isDefault}${also}`));
    for (const { requestedAt, runId, summary } of preview?.calls ?? []) {
      lines.push({ mark: "  │ ", text: `${requestedAt}  ${runId}  ${reading.line(summary)}` });
    }
    const listed = preview?.calls.length ?? 0;
    if (past > listed) lines.push({ mark: "  │ ", text: `and ${past - listed} more` });
  }
  return lines;
}

function answered(approval: ApprovalDetail, reading: Reading, color: Color): PageLine[] {
  const { answer, answeredAt, spentAt, revokedAt } = approval;
  if (answer === null) return [];
  const { status, scope, scope_expires_at, answered_by, note, remembered_until } = answer;
  const by = answered_by === null ? "" : ` by ${answered_by}`;
  const lines = [own(`${status}${by}, ${answeredAt ?? ""}`, color.bold)];
  if (scope !== null) {
    lines.push(
      own(`  scope ${scope}${scope_expires_at === null ? "" : `, until ${scope_expires_at}`}`),
    );
  }
  if (remembered_until !== null) lines.push(own(`  the same is refused until ${remembered_until}`));
  if (spentAt !== null) lines.push(own(`  the call was started ${spentAt}`));
  if (revokedAt !== null) lines.push(own(`  revoked ${revokedAt}`, color.yellow));
  return note === null ? lines : [...lines, ...quote(reading.text(note))];
}
