import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../base/canonical-json.ts";
import { FactVisibility, type SdkCalled, type SdkMethod } from "../contract/sdk-call.ts";
import type { RunAgent } from "../contract/submission.ts";
import type { Knowledge } from "../store/store.ts";

/** What one call reads or writes: what is written down of it, and what the code in the sandbox is answered. */
export interface SdkWork {
  /** The parts of its event that are its own. */
  wrote: Pick<SdkCalled, "asked" | "found" | "fact" | "state" | "emitted">;
  answer: Record<string, unknown>;
}

/** For whom a call reads and writes. */
export interface SdkOwner {
  workspaceId: string;
  owner: string;
  knowledge: Knowledge;
  /** Cuts secrets out of what will be written down (I6). */
  redact: (value: unknown) => unknown;
}

type Parameters = z.ZodType<Record<string, unknown>>;
interface Method<P extends Parameters> {
  parameters: P;
  work: (params: z.infer<P>, of: SdkOwner) => Promise<SdkWork>;
}

/** No control character, so that it is one line wherever it is shown. It is a key, and never a path. */
const Key = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), "has a control character");
const Tags = z.array(Key(64)).max(16).default([]);
const AnyJson = z.json();

const methods = {
  "memory.read": method(z.strictObject({ key: Key(512) }), ({ key }, of) =>
    read(of, "memory", key),
  ),
  "memory.write": method(
    z.strictObject({ key: Key(512), value: AnyJson }),
    async ({ key, value }, of) => write(of, "memory", key, value),
  ),
  "memory.list_keys": method(
    z.strictObject({ prefix: z.string().max(512).default("") }),
    async ({ prefix }, { knowledge, workspaceId, owner }) => {
      const keys = await knowledge.keys(workspaceId, owner, "memory", prefix);
      return { wrote: { asked: { prefix }, found: keys.length }, answer: { keys } };
    },
  ),
  "knowledge.remember": method(
    z.strictObject({
      ...{ id: Key(256), content: AnyJson, scope: Key(128).default("sdk"), tags: Tags },
      visibility: FactVisibility.default("private"),
      shared_with: z
        .array(z.string().regex(/^(inline:)?[A-Za-z0-9_.-]{1,128}$/, "expected an agent's id"))
        .max(64)
        .default([]),
    }),
    async (params, { owner, redact }) => {
      const written = redact(params) as typeof params;
      const { id, content } = written;
      const fact = { ...written, content, owner, content_hash: digestOf(content) };
      const answer = { ok: true, id, scope: fact.scope, content_hash: fact.content_hash };
      return { wrote: { asked: { id }, fact }, answer };
    },
  ),
  "knowledge.recall": method(
    z.strictObject({ id: Key(256) }),
    async ({ id }, { knowledge, workspaceId, owner }) => {
      const fact = await knowledge.recall(workspaceId, owner, id);
      const answer = fact ? { found: true, ...shownFact(fact) } : { found: false };
      return { wrote: { asked: { id }, found: fact ? 1 : 0 }, answer };
    },
  ),
  "knowledge.search": method(
    z.strictObject({
      ...{ query: z.string().max(1000).default(""), scope: Key(128).default("sdk"), tags: Tags },
      limit: z.int().min(1).max(100).default(10),
    }),
    async (query, { knowledge, workspaceId, owner }) => {
      const results = (await knowledge.search(workspaceId, owner, query)).map(shownFact);
      return { wrote: { asked: query, found: results.length }, answer: { results } };
    },
  ),
  "state.checkpoint": method(z.strictObject({ value: AnyJson }), async ({ value }, of) =>
    write(of, "checkpoint", "checkpoint", value),
  ),
  "state.get_checkpoint": method(z.strictObject({}), (_, of) =>
    read(of, "checkpoint", "checkpoint"),
  ),
  "events.emit": method(
    z.strictObject({
      type: z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/, "expected letters, digits and _ . : -"),
      data: AnyJson.default(null),
    }),
    async (emitted) => ({ wrote: { asked: {}, emitted }, answer: { ok: true } }),
  ),
} satisfies Record<SdkMethod, Method<Parameters>>;

/** The parameters of a call as they were meant, or what is wrong with them; then its work. */
export function prepareSdkCall(
  name: SdkMethod,
  params: unknown,
): { ok: true; work: (of: SdkOwner) => Promise<SdkWork> } | { ok: false; message: string } {
  // Each method checks its own parameters before its own work sees them.
  const { parameters, work } = methods[name] as Method<Parameters>;
  const parsed = parameters.safeParse(params ?? {});
  if (parsed.success) return { ok: true, work: (of) => work(parsed.data, of) };
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "params";
  return { ok: false, message: `${name}: ${field}: ${issue?.message ?? "is wrong"}` };
}

/**
 * Whose a fact or a value is. Only an installed agent has a plain name: anybody who may submit a run may call an inline
 * agent what he likes, and must not come to another's facts by it.
 */
export function ownerOfFacts(agent: RunAgent | undefined, rootRunId: string): string {
  if (agent?.id === undefined) return `run:${rootRunId}`;
  return agent.revision === undefined ? `inline:${agent.id}` : agent.id;
}

/** The names under which `SandboxFunctions` may cover a method. */
export function functionNames(name: SdkMethod): string[] {
  const [group, what] = name.split(".");
  // The client has them in one place, and agents declare either: values are the agent's state, facts are knowledge.
  if (group === "memory") return [`state.${what}`, name];
  return group === "knowledge" ? [name, `memory.${what}`] : [name];
}

function method<P extends Parameters>(parameters: P, work: Method<P>["work"]): Method<P> {
  return { parameters, work };
}

async function read(
  { knowledge, workspaceId, owner }: SdkOwner,
  kind: "memory" | "checkpoint",
  key: string,
): Promise<SdkWork> {
  const found = await knowledge.value(workspaceId, owner, kind, key);
  const asked = kind === "memory" ? { key } : {};
  const answer = found ? { found: true, value: found.value } : { found: false, value: null };
  return { wrote: { asked, found: found ? 1 : 0 }, answer };
}

function write(
  { owner, redact }: SdkOwner,
  kind: "memory" | "checkpoint",
  key: string,
  value: unknown,
): SdkWork {
  const written = redact({ key, value }) as { key: string; value: unknown };
  const state = { owner, kind, ...written, value_hash: digestOf(written.value) };
  const asked = kind === "memory" ? { key: written.key } : {};
  return { wrote: { asked, state }, answer: { ok: true, hash: state.value_hash } };
}

function shownFact(fact: NonNullable<Awaited<ReturnType<Knowledge["recall"]>>>) {
  const { id, scope, owner, content, tags, visibility, updatedAt } = fact;
  return { id, scope, owner, content, tags, visibility, updated_at: updatedAt };
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}
