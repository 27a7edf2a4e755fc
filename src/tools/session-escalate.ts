import { z } from "zod";
import { limits } from "../base/limits.ts";
import { isEnd } from "../contract/run.ts";
import { askPerson } from "./asked-person.ts";
import { failure, type Tool, type ToolContext, type ToolOutcome, waitFor } from "./tool.ts";

const SessionEscalate = z.strictObject({
  reason: z.string().min(1).max(limits.questionChars).describe("What you cannot solve"),
  context: z.string().min(1).max(limits.questionContextChars).describe("What was tried, and found"),
  target: z
    .enum(["human", "specialist", "reasoning_llm"])
    .optional()
    .describe("Who can help; default: human"),
  urgency: z.enum(["low", "normal", "medium", "high", "critical"]).optional(),
  suggested_actions: z.array(z.string().min(1).max(500)).max(20).optional(),
});
type SessionEscalate = z.infer<typeof SessionEscalate>;

export const sessionEscalate: Tool<SessionEscalate> = {
  name: "session_escalate",
  description:
    "Hands over what you cannot solve. human: a person is asked, and you wait for the answer. specialist: the agents that fit. reasoning_llm: a stronger model thinks about it.",
  input: SessionEscalate,
  repeatable: true,
  capability: null,
  wants: () => null,

  async run(args, context) {
    const { target = "human" } = args;
    if (target === "specialist") return { result: await specialists(args, context) };
    if (target === "reasoning_llm") return consult(args, context);
    const asked = await askPerson(context, {
      ...{ kind: "escalation", question: args.reason, context: contextOf(args) },
      options: (args.suggested_actions ?? []).map((label, at) => ({ id: String(at + 1), label })),
      allow_freeform: true,
    });
    if (asked.type === "wait") return asked.outcome;
    return { result: { ...asked.result, target } };
  },
};

function contextOf({ context, urgency }: Pick<SessionEscalate, "context" | "urgency">): string {
  return urgency === undefined ? context : `Urgency: ${urgency}\n\n${context}`;
}

const specialistsShown = 5;

async function specialists(
  { reason }: SessionEscalate,
  { tasks, runId }: ToolContext,
): Promise<ToolOutcome["result"]> {
  const own = (await tasks.all()).find(({ task_id }) => task_id === runId)?.agent_id ?? "";
  const found = await tasks.discover({ intent: reason, exclude_ids: [own] });
  const target = "specialist";
  if (found.length === 0) {
    return failure("resource", "No agent fits this", "Escalate to a human", { target });
  }
  const candidates = found.slice(0, specialistsShown);
  const message =
    "agent_spawn gives one of them a task; without that capability, name it in your reply";
  return { ok: true, target, candidates, message };
}

/** Asks a stronger model once, and waits for what it says. */
async function consult(args: SessionEscalate, context: ToolContext): Promise<ToolOutcome> {
  const { tasks } = context;
  const made = await tasks.consult(questionOf(args));
  if (!made.ok) return { result: made.result };
  const { task } = made;
  const { task_id } = task;
  const facts = (await tasks.all()).find((one) => one.task_id === task_id);
  if (facts !== undefined && !isEnd(facts.status)) {
    return waitFor({ on: "children", tasks: [task_id], until: null });
  }
  const answer = facts?.status === "succeeded" ? await tasks.reply(task_id) : null;
  const known = { target: "reasoning_llm", task_id, session_id: task_id };
  const end = { task, seenTasks: [task_id] };
  if (facts === undefined || answer === null) {
    const why = facts?.message ?? facts?.stop_reason ?? "it was deleted";
    const message = `The escalation model gave no answer: ${why}`;
    return { result: failure("execution", message, "Escalate to a human", known), ...end };
  }
  return { result: { ok: true, ...known, answer, llm_usage: [facts.usage] }, ...end };
}

function questionOf({ reason, suggested_actions = [], ...about }: SessionEscalate): string {
  const actions = suggested_actions.map((action) => `- ${action}`).join("\n");
  const considered = actions === "" ? "" : `\n\nWhat was considered:\n${actions}`;
  return `${reason}\n\n${contextOf(about)}${considered}`;
}
