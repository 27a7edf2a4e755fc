import { z } from "zod";

/**
 * A reply that ends an agent's work without being its result: it needs an answer first, or packages that it may not
 * install itself.
 */
export const Handoff = z
  .discriminatedUnion("status", [
    z.object({
      status: z.literal("clarification_needed"),
      question: z.string(),
      context: z.string().nullable(),
    }),
    z.object({
      status: z.literal("needs_packager"),
      reason: z.string(),
      dependency_files: z.array(z.string()),
    }),
  ])
  .meta({ id: "Handoff" });
export type Handoff = z.infer<typeof Handoff>;

const Clarification = z.object({
  status: z.literal("clarification_needed"),
  clarification_request: z.object({ question: z.string(), context: z.string().nullish() }),
});

const NeedsPackager = z.object({
  status: z.literal("needs_packager"),
  reason: z.string().default(""),
  dependency_files: z.array(z.string()).default([]),
});

/** The hand-off that a reply is: a JSON object, alone or in a fenced block of the text. Null: it is none. */
export function handoffOf(reply: string | null): Handoff | null {
  if (reply === null || !reply.includes('"status"')) return null;
  for (const text of candidates(reply)) {
    const value = parsed(text);
    const clarification = Clarification.safeParse(value);
    if (clarification.success) {
      const { question, context } = clarification.data.clarification_request;
      return { status: "clarification_needed", question, context: context ?? null };
    }
    const packager = NeedsPackager.safeParse(value);
    if (packager.success) return packager.data;
  }
  return null;
}

function candidates(reply: string): string[] {
  const fenced = [...reply.matchAll(/```(?:json)?\s*\n([\s\S]*?)\n\s*```/g)].map(
    ([, body]) => body ?? "",
  );
  const first = reply.indexOf("{");
  const last = reply.lastIndexOf("}");
  const bare = first >= 0 && last > first ? [reply.slice(first, last + 1)] : [];
  return [...fenced, ...bare];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
