import { z } from "zod";
import { canonicalJson } from "../base/canonical-json.ts";
import { cutText } from "../base/whole-text.ts";
import type { Tool } from "./tool.ts";

const ExecutionSearch = z.strictObject({
  tool_name: z.string().min(1).max(64).optional(),
  success: z.boolean().optional(),
  error_type: z.enum(["validation", "permission", "resource", "execution", "fatal"]).optional(),
  command_pattern: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe("A part of the command, as it is written"),
  agent_id: z.string().min(1).max(128).optional(),
  session_id: z.string().min(1).max(64).optional(),
  limit: z.int().min(1).max(100).optional().describe("Default: 10"),
});
type ExecutionSearch = z.infer<typeof ExecutionSearch>;

/** What is shown of arguments and of a result: one call should not fill a context. */
const shownChars = 2_000;

export const executionSearch: Tool<ExecutionSearch> = {
  name: "execution_search",
  description:
    "Searches the calls that this workflow has made, newest first. Of your own calls you see arguments and result; of other agents' calls what became of them.",
  input: ExecutionSearch,
  repeatable: true,
  capability: null,
  wants: () => null,

  async run(args, { facts }) {
    const found = await facts.executions({
      // The dotted spelling means the same.
      tool: args.tool_name?.replaceAll(".", "_"),
      ...{ success: args.success, errorType: args.error_type, command: args.command_pattern },
      ...{ agent: args.agent_id, ofRun: args.session_id, limit: args.limit ?? 10 },
    });
    const results = found.map((one) => ({
      ...{ session_id: one.runId, call_id: one.callId, agent_id: one.agent },
      ...{ tool_name: one.tool, success: one.success, outcome: one.outcome },
      ...{ error_type: one.errorType, exit_code: one.exitCode, command: one.command },
      ...(one.message === null ? {} : { message: head(one.message) }),
      ...(one.own === null
        ? {}
        : { arguments: shown(one.own.arguments), result: shown(one.own.result) }),
      ...{ finished_at: one.finishedAt, duration_ms: one.durationMs },
    }));
    return { result: { ok: true, results, count: results.length } };
  },
};

function shown(value: unknown): string {
  return head(canonicalJson(value ?? null));
}

function head(text: string): string {
  return text.length <= shownChars ? text : `${cutText(text, shownChars)}…`;
}
