import { z } from "zod";
import { limits } from "../base/limits.ts";
import { InteractionOption } from "../contract/interaction.ts";
import { askPerson } from "./asked-person.ts";
import type { Tool } from "./tool.ts";

const UserAsk = z
  .strictObject({
    question: z.string().min(1).max(limits.questionChars).describe("What a person is to answer"),
    kind: z
      .enum(["clarification", "decision", "proposal", "confirmation"])
      .optional()
      .describe("Default: clarification"),
    context: z
      .string()
      .max(limits.questionContextChars)
      .optional()
      .describe("What the person has to know to answer"),
    options: z.array(InteractionOption).max(20).optional().describe("Answers to choose from"),
    allow_freeform: z
      .boolean()
      .optional()
      .describe("Whether the person may also write an answer; default: true"),
  })
  .superRefine(({ options = [], allow_freeform }, check) => {
    const ids = options.map(({ id }) => id);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) {
      const message = `${JSON.stringify(twice)} is the id of two options`;
      check.addIssue({ code: "custom", path: ["options"], message });
    }
    if (allow_freeform === false && ids.length === 0) {
      const message = "expected options when the answer must be one of them";
      check.addIssue({ code: "custom", path: ["options"], message });
    }
    if (Buffer.byteLength(JSON.stringify(options)) > limits.questionContextChars) {
      const message = `expected at most ${limits.questionContextChars} bytes of options`;
      check.addIssue({ code: "custom", path: ["options"], message });
    }
  });
type UserAsk = z.infer<typeof UserAsk>;

export const userAsk: Tool<UserAsk> = {
  name: "user_ask",
  description:
    "Asks a person and waits for the answer, which may take days: nothing is lost meanwhile. Ask when you cannot know, and the answer changes what you do.",
  input: UserAsk,
  repeatable: true,
  capability: null,
  wants: () => null,

  async run(
    { question, kind = "clarification", context: about, options, allow_freeform },
    context,
  ) {
    const asked = await askPerson(context, {
      ...{ kind, question, context: about ?? null, options: options ?? [] },
      allow_freeform: allow_freeform ?? true,
    });
    return asked.type === "wait" ? asked.outcome : { result: asked.result };
  },
};
