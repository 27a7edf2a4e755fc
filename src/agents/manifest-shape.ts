import { didYouMean } from "./did-you-mean.ts";
import { type Fault, type Path, quoted } from "./fault.ts";
import { type JsonText, readJsonText } from "./json-text.ts";
import type { Json } from "./read-yaml.ts";

export type Members = Record<string, Json>;

/** Where in the frontmatter the manifest is, and what stands around it. */
export interface Shape {
  manifest: Members;
  /** The path of the manifest in the YAML. What is below a JSON text has the place of that text. */
  at: Path;
  /** The members of agentskills.io beside it. */
  skill: { name: Json | undefined; description: Json | undefined } | undefined;
  /** Of the frontmatter around the manifest, by its path there. */
  faults: Fault[];
  /** `airlock` was read, and there is `autonoetic` as well. */
  ignored: Path | undefined;
}

const skillKeys = ["name", "description", "license", "compatibility", "allowed-tools", "metadata"];
const homes = ["airlock", "autonoetic"];

/** Finds the manifest in the frontmatter: at the top, or below `metadata`, which may be a mapping or a JSON text. */
export function findManifest(frontmatter: Json): Shape | Fault {
  if (!isMembers(frontmatter)) {
    const message = "The frontmatter is no mapping";
    return { path: [], message, remedy: "Write keys and values: agent:, capabilities:, …" };
  }
  const isBare = "agent" in frontmatter || "capabilities" in frontmatter;
  if (isBare && !("metadata" in frontmatter)) {
    const { name, description, ...manifest } = frontmatter;
    return { manifest, at: [], skill: { name, description }, faults: [], ignored: undefined };
  }
  if (isBare) {
    const message = "The manifest is at the top, and there is metadata as well";
    const remedy = "Keep one shape: everything below metadata.autonoetic, or no metadata";
    return { path: ["metadata"], about: "key", message, remedy };
  }
  if (!("metadata" in frontmatter)) return noManifest(frontmatter);
  const metadata = openJson(frontmatter.metadata, ["metadata"]);
  if ("fault" in metadata) return metadata.fault;
  const found = homes.filter((home) => home in metadata.members);
  const [home] = found;
  if (home === undefined) return noHome(metadata.members);
  const inner = openJson(metadata.members[home], ["metadata", home]);
  if ("fault" in inner) return inner.fault;
  return {
    manifest: inner.members,
    at: ["metadata", home],
    skill: { name: frontmatter.name, description: frontmatter.description },
    faults: skillFaults(frontmatter),
    ignored: found.length > 1 ? ["metadata", "autonoetic"] : undefined,
  };
}

function noManifest(frontmatter: Members): Fault {
  const known = [...skillKeys, "agent", "capabilities"];
  for (const key of Object.keys(frontmatter)) {
    if (known.includes(key)) continue;
    const near = didYouMean(key, ["metadata", "agent", "capabilities"]);
    if (near === undefined) continue;
    const message = `There is no manifest, but ${quoted(key)}`;
    return { path: [key], about: "key", message, remedy: `Did you mean ${near}?` };
  }
  const message = "There is no agent's manifest in the frontmatter: it is a skill's at most";
  return { path: [], message, remedy: "Add metadata.autonoetic with agent and capabilities" };
}

function noHome(metadata: Members): Fault {
  const keys = Object.keys(metadata);
  for (const key of keys) {
    const near = didYouMean(key, homes);
    if (near === undefined) continue;
    const message = `${quoted(key)} is where nobody looks for a manifest`;
    const remedy = `Did you mean ${near}?`;
    return { path: ["metadata", key], about: "key", message, remedy };
  }
  const message = "metadata holds no manifest";
  const remedy = "Put it into metadata.autonoetic, or metadata.airlock";
  return { path: ["metadata"], message, remedy };
}

function skillFaults(frontmatter: Members): Fault[] {
  return Object.keys(frontmatter)
    .filter((key) => !skillKeys.includes(key))
    .map((key) => {
      const near = didYouMean(key, skillKeys);
      const message = `${quoted(key)} is no key of a skill's frontmatter`;
      const remedy = near
        ? `Did you mean ${near}?`
        : "Move it into metadata.autonoetic, or remove it";
      return { path: [key], about: "key", message, remedy };
    });
}

/** A mapping, or a text that holds one as JSON: agentskills.io has only texts below `metadata`. */
function openJson(value: Json | undefined, path: Path): { members: Members } | { fault: Fault } {
  const name = path.join(".");
  const wrong = (message: string, remedy: string) => ({ fault: { path, message, remedy } });
  let parsed: unknown = value;
  if (typeof value === "string") {
    const read = readJsonText(value);
    if (!read.ok) return wrong(...jsonFault(name, read));
    parsed = read.value;
  }
  if (!isMembers(parsed)) {
    return wrong(`${name} is no mapping`, "Write a mapping, or one JSON object in single quotes");
  }
  return { members: parsed };
}

function jsonFault(name: string, read: Exclude<JsonText, { ok: true }>): [string, string] {
  if (read.reason === "depth") return [`${name} is nested too deeply`, "Nest less deeply"];
  if (read.reason === "twice") {
    return [`${name} has the key ${quoted(read.key)} twice`, "Keep one of them"];
  }
  const message = `${name} is a text, but no JSON: ${read.message.slice(0, 150)}`;
  return [message, "Write a mapping, or one JSON object in single quotes"];
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
