import type { AgentManifest } from "../contract/manifest.ts";
import { type Fault, type Path, quoted } from "./fault.ts";
import { valueAt } from "./schema-faults.ts";

/** Members that are understood and kept, and that nothing keeps yet. */
const notInForce: [Path, string][] = [
  [["background"], "No agent wakes by itself yet"],
  [["middleware"], "Nothing is run before or after a run yet"],
  [["disclosure"], "No answer is filtered by class yet"],
  [["limits", "token_budget_monthly"], "Nothing is counted by the month yet"],
  [["io", "returns"], "An answer is not held against a schema yet"],
  [["io", "output_policy"], "An answer is not held against a policy yet"],
  [["response_contract"], "An answer is not held against a policy yet"],
  [["llm_config", "fallback_provider"], "Another provider is never taken in silence"],
  [["llm_config", "fallback_model"], "Another model is never taken in silence"],
  [["llm_config", "chat_only"], "A model is always given the tools that its agent has"],
  [["llm_config", "context_window_tokens"], "The context is not cut to a size yet"],
];

const idleCapabilities: Record<string, string> = {
  BackgroundReevaluation: "No agent wakes by itself yet",
  EmergencyStop: "No tool asks for it yet",
  AgentInstall: "No tool asks for it yet",
  PromotionRecord: "No tool asks for it yet",
};

const kept = "Keep it if you like: it is checked, and has no effect";

/** What is said of a manifest that is in force all the same. */
export function manifestNotes(
  manifest: AgentManifest,
  instructions: string,
  around: {
    skill: { name?: unknown; description?: unknown } | undefined;
    ignored?: Path | undefined;
  },
): { inManifest: Fault[]; around: Fault[] } {
  const idle = notInForce
    .filter(([path]) => valueAt(manifest, path) !== undefined)
    .map(([path, message]): Fault => ({ path, about: "key", message, remedy: kept }));
  const powers = manifest.capabilities.flatMap(({ type }, at): Fault[] => {
    const message = idleCapabilities[type];
    if (message === undefined) return [];
    return [{ path: ["capabilities", at, "type"], message: `${type}: ${message}`, remedy: kept }];
  });
  return {
    inManifest: [
      ...idle,
      ...powers,
      ...hostNotes(manifest),
      ...modelNotes(manifest),
      ...serverNotes(manifest),
    ],
    around: [...skillNotes(around), ...textNotes(instructions)],
  };
}

function hostNotes({ capabilities }: AgentManifest): Fault[] {
  return capabilities.flatMap((capability, index) => {
    if (capability.type !== "NetworkAccess") return [];
    const { hosts } = capability;
    return hosts.flatMap((host, at) => {
      const apex = /^\*\.(.+)$/.exec(host)?.[1];
      if (apex === undefined || hosts.includes(apex) || hosts.includes("*")) return [];
      const message = `${host} is what lies below ${apex}, and not ${apex} itself`;
      const path = ["capabilities", index, "hosts", at];
      return [{ path, message, remedy: `Add ${apex} if it is meant too` }];
    });
  });
}

function modelNotes({ execution_mode, llm_config }: AgentManifest): Fault[] {
  if (execution_mode !== "script" || llm_config === undefined) return [];
  const message = "A script agent has no model";
  return [{ path: ["llm_config"], about: "key", message, remedy: kept }];
}

/** Tools of a server are shown only as far as `SandboxFunctions` covers their names. */
function serverNotes({ capabilities, mcp_servers = [] }: AgentManifest): Fault[] {
  const allowed = capabilities
    .flatMap((one) => (one.type === "SandboxFunctions" ? one.allowed : []))
    .map((name) => name.replaceAll(".", "_").replace(/\*$/, ""));
  return mcp_servers.flatMap(({ name }, at) => {
    const tools = `mcp_${name}_`;
    if (allowed.some((own) => tools.startsWith(own) || own.startsWith(tools))) return [];
    const message = `No SandboxFunctions covers ${tools}: tools of ${quoted(name)} are not shown`;
    const remedy = `Add {type: SandboxFunctions, allowed: [${tools}]}`;
    return [{ path: ["mcp_servers", at, "name"], message, remedy }];
  });
}

/** What agentskills.io asks of a skill, so that other tools can read the same file. */
function skillNotes(around: Parameters<typeof manifestNotes>[2]): Fault[] {
  const notes: Fault[] = [];
  const { name, description } = around.skill ?? {};
  if (typeof name === "string" && !(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && name.length <= 64)) {
    const message = `agentskills.io has names of at most 64 of a-z, 0-9 and -, not ${quoted(name)}`;
    const remedy = `Write name: ${skillName(name)} if other tools read it; agent.id stays`;
    notes.push({ path: ["name"], message, remedy });
  }
  if (typeof description === "string" && description.length > 1024) {
    const message = `agentskills.io has descriptions of at most 1024 characters, not ${description.length}`;
    notes.push({ path: ["description"], message, remedy: "Shorten it" });
  }
  if (around.ignored !== undefined) {
    const message = "metadata.airlock is read, and metadata.autonoetic is not";
    notes.push({ path: around.ignored, about: "key", message, remedy: "Keep both alike" });
  }
  return notes;
}

/** Every turn sends the instructions. */
function textNotes(instructions: string): Fault[] {
  const lines = instructions.split("\n").length;
  const tokens = Math.ceil(instructions.length / 4);
  if (lines < 500 && tokens < 5000) return [];
  const message = `The text has ${lines} lines, some ${tokens.toLocaleString("en")} tokens; every turn sends it`;
  const remedy = "Stay below 500 lines and 5,000 tokens; put the rest into files beside it";
  return [{ path: [], about: "text", message, remedy }];
}

/** The name that agentskills.io would give an agent of this id. */
export function skillName(id: string): string {
  const plain = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return plain.slice(0, 64).replace(/-$/, "") || "agent";
}
