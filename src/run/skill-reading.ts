import type { RunSnapshot } from "../contract/submission.ts";
import { findTool, type Tool } from "../tools/tools.ts";
import type { Drive } from "./drive.ts";
import { mountedSkills } from "./run-bundles.ts";

const reading = "content_read";

/** The tools of an agent that was given skills: it reads them even when it may read nothing else. */
export function withSkillReading(tools: Tool[], snapshot: RunSnapshot): Tool[] {
  const isNeeded = mountedSkills(snapshot).length > 0 && !isChatOnly(snapshot);
  if (!isNeeded || tools.some(({ name }) => name === reading)) return tools;
  const tool = findTool(reading);
  return tool === undefined ? tools : [...tools, tool];
}

function isChatOnly({ agent }: RunSnapshot): boolean {
  return agent?.llm_config?.chat_only === true;
}

/**
 * The tool as it reads a file of a skill for an agent that may not read content: what the submitter gave may be read, and
 * whatever its tree wrote under the same name may not. Undefined: this is no such call.
 */
export async function skillReading(
  { bundles, ledger }: Drive,
  tool: Tool,
  args: unknown,
): Promise<Tool | undefined> {
  if (tool.name !== reading || mountedSkills(ledger.state.snapshot).length === 0) return undefined;
  const { name_or_handle } = args as { name_or_handle: string };
  const files = await bundles.skillFiles();
  if (!files.some(({ path }) => path === name_or_handle)) return undefined;
  return {
    ...tool,
    wants: () => null,
    run: (given, context) =>
      tool.run(given, { ...context, content: async () => [], agentFiles: [] }),
  };
}
