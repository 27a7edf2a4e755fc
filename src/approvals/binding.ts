import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import {
  type ApprovalRequest,
  type Binding,
  type BindingPart,
  bindingParts,
} from "../contract/approval.ts";

/** What a part of a binding says when the call has nothing of that kind. */
export const nonePart = "none";

/** Every part of a call; only one of an MCP server has that of the server. */
export type BoundParts = Record<Exclude<BindingPart, "server">, string> & { server?: string };

/**
 * Binds a call: one digest over every part that decides what it does (P3). The digest is that of the canonical JSON of
 * the parts, so anybody can check it.
 */
export function bindCall(parts: BoundParts): Binding {
  const bound = pick(parts, bindingParts);
  return { digest: digestOf(bound), parts: bound };
}

/**
 * What requests have in common that an answer of each scope covers. `run`: everything. `agent_revision`: everything but
 * the run tree. `artifact`, of `artifact_exec` only: the program, what it can reach and the secrets that it holds, whatever
 * its arguments.
 */
export function keysOf({ parts }: Binding): ApprovalRequest["keys"] {
  const isProgram = parts.tool === "artifact_exec" && (parts.artifact ?? nonePart) !== nonePart;
  return {
    run: keyOf("run", pick(parts, bindingParts)),
    agent_revision: keyOf(
      "agent_revision",
      pick(
        parts,
        bindingParts.filter((part) => part !== "run_tree"),
      ),
    ),
    artifact: isProgram ? keyOf("artifact", pick(parts, programParts(parts))) : null,
  };
}

const ofProgram: BindingPart[] = ["tool", "artifact", "layers", "entrypoint", "hosts"];

/** Only where there are secrets they are part of the key: approvals that were given before there were any are in force. */
function programParts({ secrets = nonePart }: Binding["parts"]): BindingPart[] {
  return secrets === nonePart ? ofProgram : [...ofProgram, "secrets"];
}

/** Secrets as a part of a binding: each variable with the name of its secret, in order; never a value. */
export function secretsPart(secrets: Readonly<Record<string, string>>): string {
  const parts = Object.entries(secrets).map(([variable, name]) => `${variable}=${name}`);
  return parts.sort().join(" ") || nonePart;
}

/** The parts that are not as they were approved, by name. Empty: it is exactly what was approved. */
export function changedParts(approved: Binding, now: Binding): BindingPart[] {
  return bindingParts.filter(
    (part) => (approved.parts[part] ?? nonePart) !== (now.parts[part] ?? nonePart),
  );
}

/** The name of the scope is part of the key: no key of one kind is ever one of another. */
function keyOf(scope: string, parts: Record<string, string>): string {
  return digestOf({ scope, parts });
}

/** A call without a server has the digest that it had before there were any: approvals of it are in force. */
function pick(
  parts: Record<string, string>,
  names: readonly BindingPart[],
): Record<string, string> {
  const there = names.filter(
    (name) => name !== "server" || (parts.server ?? nonePart) !== nonePart,
  );
  return Object.fromEntries(there.map((name) => [name, parts[name] ?? nonePart]));
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}
