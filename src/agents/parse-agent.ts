import { cutText } from "../base/whole-text.ts";
import { AgentId } from "../contract/agent.ts";
import type { AgentProblem, ManifestNote } from "../contract/installed-agent.ts";
import { AgentManifest, instructionsBytesMax, ResponseContract } from "../contract/manifest.ts";
import { crossFaults } from "./cross-checks.ts";
import { agentInvalid, type Fault, type Path, quoted } from "./fault.ts";
import { splitFrontmatter } from "./frontmatter.ts";
import { manifestNotes, skillName } from "./manifest-notes.ts";
import { findManifest, type Members, type Shape } from "./manifest-shape.ts";
import { type ReadYaml, readYaml } from "./read-yaml.ts";
import { schemaFaults } from "./schema-faults.ts";
import type { AgentFileHead } from "./script-entry.ts";

/** An agent as its folder says it. */
export interface ParsedAgent {
  /** `agent.name` and `agent.description` are always there, and `response_contract` never: it is `io.output_policy`. */
  manifest: AgentManifest;
  /** The text below the frontmatter. */
  instructions: string;
  notes: ManifestNote[];
}

/**
 * Reads an agent: its `SKILL.md`, and the files beside it as far as they have to be looked at. Throws `agent_invalid`
 * with all that is wrong, each with its line and a remedy, in `details.problems`.
 */
export function parseAgent(given: { skill: string; files: readonly AgentFileHead[] }): ParsedAgent {
  const parts = splitFrontmatter(given.skill);
  if ("message" in parts) throw agentInvalid([parts]);
  const yaml = readYaml(parts.yaml, parts.yamlLine);
  if (Array.isArray(yaml)) throw agentInvalid(yaml);
  const shape = findManifest(yaml.value);
  if ("message" in shape) throw agentInvalid([located(yaml, [], shape)]);
  const filled = withFallbacks(shape);
  const wrong = [...shape.faults, ...nameFaults(shape, filled)].map((f) => located(yaml, [], f));
  const size = Buffer.byteLength(parts.body);
  if (size > instructionsBytesMax) {
    const message = `The text below the frontmatter has ${size.toLocaleString("en")} bytes`;
    const remedy = `Keep it below ${instructionsBytesMax.toLocaleString("en")}; files may lie beside`;
    wrong.push({ line: parts.bodyLine, column: 1, path: "", message, remedy });
  }
  const read = AgentManifest.safeParse(filled);
  const faults = read.success
    ? crossFaults(read.data, { instructions: parts.body, files: given.files })
    : schemaFaults(AgentManifest, filled, read.error);
  wrong.push(...faults.map((fault) => located(yaml, shape.at, fault, parts.bodyLine)));
  if (!read.success || wrong.length > 0) throw agentInvalid(wrong);
  const notes = manifestNotes(read.data, parts.body, shape);
  return {
    manifest: withOutputPolicy(read.data),
    instructions: parts.body,
    notes: [
      ...notes.inManifest.map((note) => located(yaml, shape.at, note)),
      ...notes.around.map((note) => located(yaml, [], note, parts.bodyLine)),
    ]
      .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
      .map(({ column: _, ...note }) => note),
  };
}

function located(yaml: ReadYaml, at: Path, fault: Fault, bodyLine = 1): AgentProblem {
  const { path, message, remedy } = fault;
  const told = { path: path.join("."), message, remedy };
  if (fault.about === "file") return { line: null, column: null, ...told };
  if (fault.about === "text") return { line: bodyLine, column: 1, ...told };
  return { ...yaml.place([...at, ...path], fault.about === "key"), ...told };
}

/** What agentskills.io says of a skill is said of its agent, where the manifest itself is silent. */
function withFallbacks({ manifest, skill }: Shape): Members {
  const { agent } = manifest;
  if (typeof agent !== "object" || agent === null || Array.isArray(agent)) return manifest;
  const name = typeof skill?.name === "string" ? skill.name : agent.id;
  const description = typeof skill?.description === "string" ? skill.description : "";
  const fallback = {
    ...(typeof name === "string" ? { name } : {}),
    ...{ description: cutText(description, 1024) },
  };
  return { ...manifest, agent: { ...fallback, ...agent } };
}

/** A skill's `name` is its id, for every tool that reads skills; ours is `agent.id`. They are one. */
function nameFaults({ skill, at }: Shape, { agent }: Members): Fault[] {
  const faults: Fault[] = [];
  for (const key of ["name", "description"] as const) {
    const value = skill?.[key];
    if (value === undefined || typeof value === "string") continue;
    const message = `${key} has to be a text, not ${quoted(value)}`;
    faults.push({ path: [key], message, remedy: `Put it in quotes: "${String(value)}"` });
  }
  const id = (agent as Members | undefined)?.id;
  const name = skill?.name;
  if (at.length === 0 || typeof name !== "string") return faults;
  if (typeof id !== "string" || !AgentId.safeParse(id).success) return faults;
  if (name === id || name === skillName(id)) return faults;
  const message = `name is ${quoted(name)}, but agent.id is ${quoted(id)}`;
  faults.push({ path: ["name"], message, remedy: `Write name: ${skillName(id)}, or name: ${id}` });
  return faults;
}

/** The older promise about answers, in the words of the newer. */
function withOutputPolicy({ response_contract: older, ...manifest }: AgentManifest): AgentManifest {
  if (older === undefined) return manifest;
  const { validation_max_loops: loops, ...same } = ResponseContract.parse(older);
  // The older number counts the first answer too.
  const repair =
    loops === undefined ? {} : { repair: { auto: loops > 1, max_attempts: loops - 1 } };
  return { ...manifest, io: { ...manifest.io, output_policy: { ...same, ...repair } } };
}
