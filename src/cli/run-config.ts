import { dirname, extname, resolve } from "node:path";
import { RunSubmission } from "../contract/submission.ts";
import { submissionFaults } from "../contract/submission-faults.ts";
import { readAgentsMdEntry, readFileEntry, readSkillEntry } from "./config-entries.ts";
import { type Draft, isObject, onlyKeys, type Place, readTexts } from "./config-texts.ts";
import { usage } from "./exit.ts";
import { splitHeaders } from "./mcp-flags.ts";
import { readTextFile } from "./read-value.ts";

/** Names that are taken for a configuration rather than for something to do. */
export function isConfigPath(text: string): boolean {
  return /^\S+\.(json|ya?ml)$/i.test(text);
}

/**
 * A submission as a file describes it: JSON or YAML in the form of the API, strict, and with what only a file can say. There
 * a text may be `@FILE` (`@@x` is the text `@x`), `files`, `skills` and `agentsMd` may name paths, and MCP servers may have
 * `headers`. Paths count from where the file is. The client holds the rest against the contract.
 */
export async function readRunConfig(path: string): Promise<Draft> {
  const place = { shown: path, directory: dirname(resolve(path)) };
  const draft = await parse(place, await readTextFile("--config", path));
  onlyKeys(place, "", draft, Object.keys(RunSubmission.shape));
  splitHeaders(draft, path);
  const [fault] = submissionFaults(draft);
  if (fault) throw usage(`${path}: ${fault.path.join(".")}: ${fault.message}`);
  for (const key of ["prompt", "message", "system"]) {
    if (draft[key] !== undefined) draft[key] = await readTexts(place, key, draft[key]);
  }
  await readEach(place, draft, "files", readFileEntry);
  await readEach(place, draft, "skills", readSkillEntry);
  await readEach(place, draft, "agentsMd", readAgentsMdEntry);
  draft.secrets = await readTexts(place, "secrets", draft.secrets);
  if (draft.secrets === undefined) delete draft.secrets;
  return draft;
}

async function parse({ shown }: Place, text: string): Promise<Draft> {
  const value = /^\.ya?ml$/i.test(extname(shown))
    ? await readYaml(shown, text)
    : readJson(shown, text);
  if (isObject(value)) return value;
  throw usage(`${shown} must hold an object with the members of a submission`);
}

// The messages of both parsers quote the text, and a configuration may hold keys: only the place is told.

function readJson(shown: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const found = /line (\d+) column (\d+)/.exec(String(error));
    throw usage(`${shown} is not JSON${found ? `, at line ${found[1]}, column ${found[2]}` : ""}`);
  }
}

async function readYaml(shown: string, text: string): Promise<unknown> {
  // Loaded when it is needed: a fifth of what a command line has to load otherwise.
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { prettyErrors: true });
  const [wrong] = document.errors;
  const at = wrong?.linePos?.[0];
  if (wrong !== undefined) {
    throw usage(`${shown} is not YAML${at ? `, at line ${at.line}, column ${at.col}` : ""}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw usage(`${shown} has an alias of nothing, or more of them than a configuration needs`);
  }
}

async function readEach(
  place: Place,
  draft: Draft,
  key: string,
  read: (place: Place, where: string, value: unknown) => Promise<unknown>,
): Promise<void> {
  const list = draft[key];
  if (list === undefined) return;
  if (!Array.isArray(list)) throw usage(`${place.shown}: ${key} must be a list`);
  draft[key] = await Promise.all(list.map((one, at) => read(place, `${key}[${at}]`, one)));
}
