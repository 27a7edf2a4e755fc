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

/**
 * Binds a call: one digest over every part that decides what it does (P3). The digest is that of the canonical JSON of
 * the parts, so anybody can check it.
 */
export function bindCall(parts: Record<BindingPart, string>): Binding {
  const bound = pick(parts, bindingParts);
  return { digest: digestOf(bound), parts: bound };
}

/**
 * What requests have in common that an answer of each scope covers. `run`: everything. `agent_revision`: everything but
 * the run tree. `artifact`, of `artifact_exec` only: the program and what it can reach, whatever its arguments.
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
    artifact: isProgram ? keyOf("artifact", pick(parts, ofProgram)) : null,
  };
}

const ofProgram: BindingPart[] = ["tool", "artifact", "layers", "entrypoint", "hosts"];

/** The parts that are not as they were approved, by name. Empty: it is exactly what was approved. */
export function changedParts(approved: Binding, now: Binding): BindingPart[] {
  return bindingParts.filter((part) => approved.parts[part] !== now.parts[part]);
}

/** The name of the scope is part of the key: no key of one kind is ever one of another. */
function keyOf(scope: string, parts: Record<string, string>): string {
  return digestOf({ scope, parts });
}

function pick(
  parts: Record<string, string>,
  names: readonly BindingPart[],
): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, parts[name] ?? nonePart]));
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}
