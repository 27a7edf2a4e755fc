import { NetworkHost } from "../contract/agent.ts";
import type { AgentManifest } from "../contract/manifest.ts";
import { dotted, type Fault, type Path, quoted } from "./fault.ts";
import type { JsonSchema } from "./json-schema.ts";
import { patternFault, schemaTextFaults } from "./schema-text.ts";
import { type AgentFileHead, scriptFaults } from "./script-entry.ts";

/** What no single member can say: how they fit each other, the files and the text. */
export function crossFaults(
  manifest: AgentManifest,
  given: { instructions: string; files: readonly AgentFileHead[] },
): Fault[] {
  return [
    ...modeFaults(manifest, given),
    ...ioFaults(manifest),
    ...hostFaults(manifest),
    ...fileFaults(given.files),
  ];
}

function modeFaults(
  { execution_mode, script_entry, llm_config }: AgentManifest,
  { instructions, files }: { instructions: string; files: readonly AgentFileHead[] },
): Fault[] {
  if (execution_mode === "script") {
    if (script_entry !== undefined) return scriptFaults(script_entry, files);
    const message = "A script agent lacks script_entry";
    const remedy = "Add script_entry: and the name of its script, as in main.py";
    return [{ path: ["execution_mode"], message, remedy }];
  }
  const faults: Fault[] = [];
  if (script_entry !== undefined) {
    const message = "script_entry is for script agents, and this one reasons";
    const remedy = "Add execution_mode: script, or remove script_entry";
    faults.push({ path: ["script_entry"], about: "key", message, remedy });
  }
  if (llm_config === undefined) {
    const message = "An agent that reasons lacks llm_config";
    const remedy = "Add llm_config: {provider: anthropic, model: claude-sonnet-4-5}";
    faults.push({ path: ["llm_config"], message, remedy });
  }
  if (instructions.trim() === "") {
    const message = "There are no instructions below the frontmatter";
    const remedy = "Write below the second --- what the agent is to do";
    faults.push({ path: [], about: "text", message, remedy });
  }
  return faults;
}

/** What is wrong with the schemas and patterns of an agent, wherever it comes from: they are used as they are. */
export function ioFaults({
  io,
  response_contract: older,
}: Pick<AgentManifest, "io" | "response_contract">): Fault[] {
  const faults: Fault[] = [];
  if (io?.output_policy !== undefined && older !== undefined) {
    const message = "response_contract and io.output_policy both say what an answer has to be";
    const remedy = "Keep io.output_policy";
    faults.push({ path: ["response_contract"], about: "key", message, remedy });
  }
  const schemas: [unknown, Path][] = [
    [io?.accepts, ["io", "accepts"]],
    [io?.returns, ["io", "returns"]],
    [io?.output_policy?.output_schema, ["io", "output_policy", "output_schema"]],
    [older?.output_schema, ["response_contract", "output_schema"]],
  ];
  for (const [schema, path] of schemas) {
    if (schema !== undefined) faults.push(...schemaTextFaults(schema as JsonSchema, path));
  }
  const policies: [typeof older, Path][] = [
    [io?.output_policy, ["io", "output_policy"]],
    [older, ["response_contract"]],
  ];
  for (const [policy, path] of policies) {
    for (const [at, pattern] of (policy?.prohibited_text_patterns ?? []).entries()) {
      const fault = patternFault(pattern, [...path, "prohibited_text_patterns", at]);
      if (fault) faults.push(fault);
    }
  }
  return faults;
}

function hostFaults({ capabilities, remote_access }: AgentManifest): Fault[] {
  const hosts: [string, Path][] = capabilities.flatMap((capability, index) =>
    capability.type === "NetworkAccess"
      ? capability.hosts.map((host, at): [string, Path] => [
          host,
          ["capabilities", index, "hosts", at],
        ])
      : [],
  );
  for (const [at, target] of (remote_access?.targets ?? []).entries()) {
    if (target.kind === "host") hosts.push([target.host, ["remote_access", "targets", at, "host"]]);
  }
  return hosts.flatMap(([host, path]) => {
    const message = `${dotted(path)}: ${quoted(host)} is no host`;
    if (!NetworkHost.safeParse(host).success) {
      return [{ path, message, remedy: "Write example.org, example.org:8443, *.example.org or *" }];
    }
    const port = /:(\d{1,5})$/.exec(host)?.[1];
    if (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)) return [];
    return [{ path, message, remedy: "Write a port from 1 to 65535" }];
  });
}

/** Files that no agent brings; told without a line, because no line of SKILL.md is about them. */
function fileFaults(files: readonly AgentFileHead[]): Fault[] {
  return files.flatMap(({ path }) => {
    const name = path.split("/").at(-1)?.toLowerCase();
    if (name === "runtime.lock") {
      const message = `The agent brings ${quoted(path)}, which only the gateway makes`;
      const remedy = "Leave it out: it is shown with the agent";
      return [{ path: [path], about: "file", message, remedy }];
    }
    if (path.toLowerCase() !== "skill.md") return [];
    const message = `The agent brings ${quoted(path)} beside SKILL.md`;
    return [{ path: [path], about: "file", message, remedy: "Keep one SKILL.md" }];
  });
}
