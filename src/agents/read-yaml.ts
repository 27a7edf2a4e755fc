import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  Scalar,
} from "yaml";
import type { z } from "zod";
import type { AgentProblem } from "../contract/installed-agent.ts";
import type { Path } from "./fault.ts";

export type Json = z.core.util.JSONType;

export interface Place {
  line: number;
  column: number;
}

/** A YAML text as JSON, and where each of its parts stands. */
export interface ReadYaml {
  value: Json;
  /** Where the value (or its key) at a path begins; of what is not there, where the nearest thing around it does. */
  place(path: Path, atKey?: boolean): Place;
}

const plainTags = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq))$/;

const problemsMax = 100;

/** Honest manifests are some eight deep; a JSON Schema in one perhaps twice that. */
const depthMax = 64;

/**
 * Reads YAML strictly: no duplicate keys, no anchors and aliases, no tags, only what JSON can say. `line` is that of the
 * text's first line.
 */
export function readYaml(text: string, line: number): ReadYaml | AgentProblem[] {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    ...{ lineCounter: counter, strict: true, uniqueKeys: false, version: "1.2", merge: false },
    ...{ prettyErrors: false, logLevel: "silent" },
  });
  const place = (offset: number): Place => {
    const found = counter.linePos(Math.min(offset, text.length));
    return { line: Math.max(1, found.line) + line - 1, column: Math.max(1, found.col) };
  };
  const wrong = syntaxProblems(document, text, place);
  if (wrong.length > 0) return wrong;
  const walk = openWalk(place);
  const value = walk.json(document.contents, []);
  if (walk.problems.length > 0) return walk.problems;
  return {
    value,
    place(path, atKey) {
      for (let length = path.length; length > 0; length--) {
        const key = JSON.stringify(path.slice(0, length));
        const found = (atKey || length < path.length ? walk.keys : walk.values).get(key);
        if (found) return found;
      }
      return { line: line - 1, column: 1 };
    },
  };
}

const remedies: Record<string, string> = {
  TAG_RESOLVE_FAILED: "Remove it, and put a text that begins with ! in quotes",
  TAB_AS_INDENT: "Indent with spaces",
  BLOCK_AS_IMPLICIT_KEY:
    'Put a text that holds ": " in quotes, and begin each key on a line of its own',
  BAD_SCALAR_START: "Put a text that begins with this character in quotes",
  BAD_ALIAS: 'A text that begins with * needs quotes: "*"',
  RESOURCE_EXHAUSTION: "Nest less deeply",
  MULTIPLE_DOCS: "Keep one document in the frontmatter",
  MISSING_CHAR: "Close what is open here: a quote, a bracket, or a key that lacks its colon",
  BAD_INDENT: "Align it with what it belongs to, and close every bracket",
};

function syntaxProblems(
  document: Document.Parsed,
  text: string,
  place: (offset: number) => Place,
): AgentProblem[] {
  // What comes after the first one is mostly its consequence.
  const first = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])[0];
  if (first === undefined) return [];
  const { code, message, pos } = first;
  // An unquoted star is the start of an alias to YAML, and what people write for "everything".
  const isStar = /alias/i.test(message) || text[pos[0]] === "*";
  const said = isStar
    ? "A * without quotes begins an alias, and aliases are not read here"
    : (message.split("\n")[0] ?? "").slice(0, 200);
  const remedy = isStar ? remedies.BAD_ALIAS : remedies[code];
  return [{ ...place(pos[0]), path: "", message: said, remedy: remedy ?? "Correct the YAML here" }];
}

/** Turns nodes into JSON, notes where they stand, and collects what JSON cannot say. */
function openWalk(place: (offset: number) => Place) {
  const values = new Map<string, Place>();
  const keys = new Map<string, Place>();
  const problems: AgentProblem[] = [];
  const wrong = (node: ParsedNode | null, path: Path, message: string, remedy: string) => {
    if (problems.length < problemsMax)
      problems.push({ ...place(node?.range[0] ?? 0), path: path.join("."), message, remedy });
    return null;
  };
  const json = (node: ParsedNode | null, path: Path): Json => {
    if (node === null) return null;
    const key = JSON.stringify(path);
    const here = place(node.range[0]);
    // A mapping or list on the lines below its key is told by the key.
    const own = keys.get(key);
    values.set(key, isScalar(node) || own === undefined ? here : own);
    if (own === undefined) keys.set(key, here);
    if (isAlias(node)) {
      return wrong(node, path, "Aliases are not read here", remedies.BAD_ALIAS ?? "");
    }
    if (node.anchor !== undefined) {
      const remedy = "Write it out where it is used, and put a text that begins with & in quotes";
      return wrong(node, path, `Anchors such as &${node.anchor} are not read here`, remedy);
    }
    if (node.tag !== undefined && !plainTags.test(node.tag)) {
      return wrong(node, path, `The tag ${node.tag} is not known`, "Remove it");
    }
    if (path.length > depthMax) return wrong(node, path, "Nested too deeply", "Nest less deeply");
    if (isSeq(node)) {
      return node.items.map((item, at) => json(item as ParsedNode | null, [...path, at]));
    }
    if (isMap(node)) return members(node.items, path);
    return scalar(node, path);
  };
  const members = (pairs: Iterable<{ key: unknown; value: unknown }>, path: Path): Json => {
    const object: Record<string, Json> = {};
    for (const { key, value } of pairs) {
      const keyNode = key as ParsedNode;
      if (!(key instanceof Scalar) || typeof key.value !== "string") {
        wrong(keyNode, path, "A key has to be a text", 'Put it in quotes: "1":');
        continue;
      }
      const inner = [...path, key.value];
      if (Object.hasOwn(object, key.value)) {
        wrong(keyNode, inner, `The key "${key.value}" stands here twice`, "Keep one of them");
        continue;
      }
      keys.set(JSON.stringify(inner), place(keyNode.range[0]));
      const member = json(value as ParsedNode | null, inner);
      if (value === null) values.set(JSON.stringify(inner), place(keyNode.range[0]));
      // Assigned so, a member called __proto__ is a member and nothing else.
      Object.defineProperty(object, key.value, {
        ...{ value: member, enumerable: true, configurable: true, writable: true },
      });
    }
    return object;
  };
  const scalar = (node: ParsedNode, path: Path): Json => {
    const value = isScalar(node) ? node.value : undefined;
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return wrong(node, path, `${String(value)} is nothing that JSON can say`, "Put it in quotes");
  };
  return { json, values, keys, problems };
}
