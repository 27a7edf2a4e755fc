import { createHash } from "node:crypto";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { type McpListed, type McpTool, mcpPrefix } from "../contract/mcp-server.ts";
import { clip } from "./mcp-error.ts";
import { modelSchema } from "./model-schema.ts";
import type { ServerTool } from "./open-client.ts";

/** A name of a tool as providers take it. */
const nameChars = 64;
const leftOutShown = 50;
const { mcpToolNameChars: toolNameChars } = limits;

/**
 * What a run keeps of a server's tools: named for models, and within limits. A tool that does not fit is left out with the reason, for a part of a schema says something else than the whole.
 */
export function fitTools(
  server: string,
  given: readonly ServerTool[],
): Pick<McpListed, "tools" | "left_out"> {
  const tools: McpTool[] = [];
  const leftOut: { tool: string; reason: string }[] = [];
  const names = namesOf(server, given);
  let bytes = 0;
  for (const one of new Map(given.map((tool) => [tool.name, tool])).values()) {
    const name = names.get(one.name);
    const tool = name === undefined ? "its name cannot be used" : toolOf(name, one);
    if (typeof tool === "string") {
      leftOut.push({ tool: clip(one.name, toolNameChars), reason: tool });
      continue;
    }
    const size = Buffer.byteLength(canonicalJson(tool));
    if (tools.length === limits.mcpTools || bytes + size > limits.mcpListBytes) {
      leftOut.push({ tool: tool.tool, reason: "the server offers more than a run keeps" });
      continue;
    }
    bytes += size;
    tools.push(tool);
  }
  const shown = leftOut.slice(0, leftOutShown);
  return { tools, ...(shown.length > 0 ? { left_out: shown } : {}) };
}

function toolOf(
  name: string,
  { name: tool, description, inputSchema }: ServerTool,
): McpTool | string {
  const input_schema = modelSchema(inputSchema);
  if (typeof input_schema === "string") return input_schema;
  const bytes = Buffer.byteLength(JSON.stringify(input_schema));
  if (bytes > limits.mcpSchemaBytes) {
    return `its schema has ${bytes} bytes; expected at most ${limits.mcpSchemaBytes}`;
  }
  const words = clip((description ?? "").toWellFormed(), limits.mcpDescriptionChars);
  return { name, tool, description: words, input_schema };
}

/**
 * A name for each: what the server calls it, with `_` for what no model may write. Where two would be the same or one is
 * too long, a digest of what the server calls it stands at its end. No two have the same name; one that would has none.
 */
function namesOf(server: string, given: readonly ServerTool[]): Map<string, string> {
  const prefix = mcpPrefix(server);
  const named = new Set(
    given.map(({ name }) => name).filter((name) => name !== "" && name.length <= toolNameChars),
  );
  const spelt = Map.groupBy(named, (name) => name.replace(/[^A-Za-z0-9_-]/g, "_"));
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const take = (tool: string, name: string) => {
    if (taken.has(name)) return;
    taken.add(name);
    names.set(tool, name);
  };
  // Plain names first: nobody takes the name of a tool that is called so.
  const isPlain = (tool: string, spelling: string) =>
    prefix.length + spelling.length <= nameChars && tool === spelling;
  for (const [spelling, tools] of spelt) {
    for (const tool of tools) if (isPlain(tool, spelling)) take(tool, prefix + spelling);
  }
  for (const [spelling, tools] of spelt) {
    for (const tool of tools.filter((one) => !names.has(one))) {
      const isAlone = tools.length === 1 && prefix.length + spelling.length <= nameChars;
      take(tool, prefix + (isAlone ? spelling : withDigest(tool, spelling, prefix.length)));
    }
  }
  return names;
}

function withDigest(tool: string, spelling: string, prefixChars: number): string {
  const digest = createHash("sha256").update(tool).digest("hex").slice(0, 8);
  return `${spelling.slice(0, nameChars - prefixChars - digest.length - 1)}_${digest}`;
}
