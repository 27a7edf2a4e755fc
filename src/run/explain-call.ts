import type { Analysis, Look } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import { Problem } from "../contract/problem.ts";
import { explain } from "../policy/policy.ts";
import { findTool, parseArguments } from "../tools/tools.ts";
import { namesIn } from "./code-look.ts";
import { codeNeed } from "./code-need.ts";
import { powerOf } from "./power.ts";

export interface ExplainOptions {
  analysis: Analysis;
  packageHosts: Look["packageHosts"];
  operatorGrant: readonly Capability[] | undefined;
}

/**
 * What the policy would say to a call, and why, without a run and without an effect. Artifacts are not looked into: their
 * files are given as `files`. Throws `invalid_request` for a tool that is not there and for arguments that it would refuse.
 */
export async function explainCall(
  request: ExplainRequest,
  { analysis, packageHosts, operatorGrant }: ExplainOptions,
): Promise<Explanation> {
  const tool = findTool(request.tool);
  if (tool === undefined) {
    throw wrong("tool", `There is no tool ${JSON.stringify(request.tool)}`);
  }
  const parsed = parseArguments(tool, request.arguments);
  if (!parsed.ok) throw wrong("arguments", String(parsed.result.message));
  const power = powerOf(request, operatorGrant);
  const wanted = tool.wants(parsed.args);
  if (wanted === null) throw wrong("tool", `${tool.name} needs no capability: it is never decided`);
  if (wanted.type !== "CodeExecution") return explain(wanted, power);
  const files = new Map(
    (request.files ?? []).map(({ name, content }) => [`/tmp/${name}`, content]),
  );
  const look: Look = {
    async read(path) {
      const content = files.get(path);
      return content === undefined ? undefined : Buffer.from(content);
    },
    list: async (path) => namesIn(path, files.keys()),
    remoteAccess: power.remoteAccess,
    packageHosts,
  };
  const { command, entrypoint, args } = wanted;
  const analysed =
    command !== null
      ? await analysis.command(command, look)
      : await analysis.program(entrypoint ?? "", args, look);
  return explain(codeNeed(wanted, analysed, packageHosts), power);
}

function wrong(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
