/** One fault at a time in a manifest that is right: each is told once, with its line and a remedy that helps. */
import { describe, expect, it } from "vitest";
import type { AgentProblem } from "../contract/installed-agent.ts";
import { Problem } from "../contract/problem.ts";
import { type AgentFileHead, parseAgent } from "./agents.ts";

const right = `---
name: coder-default
description: Writes code.
metadata:
  autonoetic:
    version: "1.0"
    runtime:
      engine: autonoetic
      type: stateful
      sandbox: bubblewrap
    agent:
      id: coder.default
      name: Coder
    llm_config:
      provider: openrouter
      model: google/gemini-3-flash-preview
      temperature: 0.1
    capabilities:
      - type: CodeExecution
        patterns: ["python3 "]
      - type: NetworkAccess
        hosts: ["example.org"]
      - type: ReadAccess
        scopes: ["self.*"]
      - type: AgentSpawn
        max_children: 4
      - type: AgentMessage
        patterns: ["*"]
    limits:
      max_memory_mb: 512
    validation: soft
    credential_env: [API_KEY]
    io:
      accepts:
        type: object
        required: [city]
        properties:
          city: {type: string}
      output_policy:
        max_reply_length_chars: 2000
        prohibited_text_patterns: ["sk-[a-z]+"]
        repair: {auto: true, max_attempts: 1}
    remote_access:
      approval_mode: preapproved
      targets: [{kind: "any"}]
    mcp_servers:
      - name: docs
        url: https://mcp.example.org/
---

# What you do

Write code.
`;

/** Replace `from` by `to`; the problem is told where `at` stands then, with a remedy that says `says`. */
type Row = [name: string, from: string, to: string, at: string, says: string];

const keys: Row[] = [
  ["a key that is misspelt", "capabilities:", "capabilites:", "capabilites:", "capabilities"],
  ["a key with a dash", "llm_config:", "llm-config:", "llm-config:", "llm_config"],
  [
    "a key of a capability that is misspelt",
    'patterns: ["python3',
    'pattern: ["python3',
    "pattern:",
    "patterns",
  ],
  ["a key of the model", "temperature:", "temprature:", "temprature:", "temperature"],
  [
    "a key in the wrong place",
    "    validation: soft",
    "    output_policy: {}",
    "output_policy: {}",
    "io.output_policy",
  ],
  [
    "a key of limits at the top",
    "    validation: soft",
    "    max_memory_mb: 64",
    "max_memory_mb: 64",
    "limits.max_memory_mb",
  ],
  ["a key that nobody knows", "    validation: soft", "    colour: red", "colour", "known here"],
  [
    "a key of another capability",
    "max_children: 4",
    "max_children: 4\n        hosts: [a]",
    "hosts: [a]",
    "known here",
  ],
  [
    "a key beside metadata",
    "description: Writes code.",
    "descripton: Writes code.",
    "descripton",
    "description",
  ],
  [
    "a key of a skill that there is not",
    "description: Writes code.",
    "description: x\nauthor: me",
    "author",
    "metadata",
  ],
  ["metadata under another name", "metadata:", "metdata:", "metdata", "metadata"],
  ["a manifest under another name", "  autonoetic:", "  autonetic:", "autonetic", "autonoetic"],
  [
    "a key that stands twice",
    "    validation: soft",
    "    validation: soft\n    validation: soft",
    "validation",
    "Keep one",
  ],
];

const values: Row[] = [
  ["no id", "      id: coder.default\n", "", "agent:", "id:"],
  [
    "no type",
    "- type: CodeExecution\n        patterns",
    "- patterns",
    'patterns: ["python3',
    "type:",
  ],
  ["no scopes", '\n        scopes: ["self.*"]', "", "ReadAccess", "scopes: [self.*]"],
  ["no number of children", "\n        max_children: 4", "", "AgentSpawn", "max_children: 4"],
  ["no provider", "      provider: openrouter\n", "", "llm_config:", "provider:"],
  ["no model", "      model: google/gemini-3-flash-preview\n", "", "llm_config:", "model:"],
  ["a version that is a number", 'version: "1.0"', "version: 1.0", "version: 1.0", "quotes"],
  [
    "a number in quotes",
    "temperature: 0.1",
    'temperature: "0.1"',
    "temperature",
    "without quotes: 0.1",
  ],
  [
    "a number in words",
    "max_memory_mb: 512",
    "max_memory_mb: 512MB",
    "512MB",
    "whole number|number",
  ],
  ["a half number", "max_children: 4", "max_children: 4.5", "4.5", "whole number"],
  ["too little", "max_memory_mb: 512", "max_memory_mb: 1", "max_memory_mb", "at least 16"],
  ["too much", "temperature: 0.1", "temperature: 3", "temperature", "at most 2"],
  [
    "a text for a list",
    'hosts: ["example.org"]',
    "hosts: example.org",
    "hosts:",
    'list: ["example.org"]',
  ],
  ["a list for a text", "model: google/gemini-3-flash-preview", "model: [a, b]", "model:", "text"],
  ["a mapping for a list", 'scopes: ["self.*"]', "scopes: {self: true}", "scopes:", "list"],
  ["an empty list", 'patterns: ["python3 "]', "patterns: []", "patterns: []", "at least 1"],
  ["an empty pattern", 'patterns: ["python3 "]', 'patterns: [""]', 'patterns: [""]', "at least 1"],
  ["nothing behind a key", "validation: soft", "validation:", "validation:", "soft"],
  ["a truth in quotes", "auto: true", 'auto: "true"', "auto:", "without quotes"],
  [
    "a capability that is misspelt",
    "type: CodeExecution",
    "type: CodeExecutoin",
    "CodeExecutoin",
    "CodeExecution",
  ],
  [
    "a capability that is shortened",
    "type: NetworkAccess",
    "type: Network",
    "type: Network",
    "NetworkAccess",
  ],
  [
    "a capability that there is not",
    "type: AgentMessage",
    "type: Sudo",
    "type: Sudo",
    "one of ReadAccess",
  ],
  [
    "a capability without its mapping",
    'type: AgentMessage\n        patterns: ["*"]',
    "AgentMessage",
    "- AgentMessage",
    "{type: AgentMessage",
  ],
  ["a word that is misspelt", "validation: soft", "validation: sotf", "sotf", "soft"],
  [
    "a mode that there is not",
    "    validation: soft",
    "    execution_mode: deterministic",
    "deterministic",
    "script",
  ],
  ["another sandbox", "sandbox: bubblewrap", "sandbox: docker", "docker", "bubblewrap"],
  [
    "an id with a blank",
    "id: coder.default",
    "id: coder default",
    "id: coder default",
    "letters, digits",
  ],
  ["an id with a path", "id: coder.default", "id: ../coder", "../coder", "letters, digits"],
  [
    "a name that is not the id",
    "name: coder-default",
    "name: builder",
    "name: builder",
    "coder-default",
  ],
  [
    "a provider with capitals",
    "provider: openrouter",
    "provider: OpenRouter",
    "OpenRouter",
    "provider",
  ],
  [
    "an address for a host",
    'hosts: ["example.org"]',
    'hosts: ["https://example.org"]',
    "https://example.org",
    "without https",
  ],
  [
    "a host with a path",
    'hosts: ["example.org"]',
    "hosts: [example.org/x]",
    "hosts:",
    "example.org:8443",
  ],
  [
    "a port that there is not",
    'hosts: ["example.org"]',
    'hosts: ["example.org:99999"]',
    "99999",
    "65535",
  ],
  [
    "a target that is no host",
    'targets: [{kind: "any"}]',
    "targets: [{kind: host, host: a b}]",
    "a b",
    "example.org",
  ],
  ["a kind of target that there is not", '{kind: "any"}', "{kind: all}", "kind: all", "any"],
  ["a scope that leads out", 'scopes: ["self.*"]', 'scopes: ["/etc/*"]', "/etc", "self.*"],
  [
    "a variable that cannot be one",
    "credential_env: [API_KEY]",
    "credential_env: [API-KEY]",
    "API-KEY",
    "letter",
  ],
  [
    "a server without an address",
    "url: https://mcp.example.org/",
    "url: mcp.example.org",
    "url: mcp",
    "https",
  ],
  [
    "two servers of one name",
    "mcp_servers:",
    "mcp_servers:\n      - {name: docs, url: 'https://a.example.org'}",
    "- name: docs",
    "of its own",
  ],
];

const schemas: Row[] = [
  ["a keyword that is misspelt", "required: [city]", "requird: [city]", "requird", "required"],
  ["a type that is misspelt", "type: object", "type: objekt", "objekt", "object"],
  [
    "a type inside that is misspelt",
    "city: {type: string}",
    "city: {type: str}",
    "type: str}",
    "string",
  ],
  ["required as a truth", "required: [city]", "required: true", "required: true", "list of names"],
  [
    "a tuple of an older draft",
    "city: {type: string}",
    "city: {items: [{type: string}]}",
    "items: [",
    "prefixItems",
  ],
  ["a keyword of OpenAPI", "city: {type: string}", "city: {nullable: true}", "nullable", "x-"],
  ["a pattern that is none", "city: {type: string}", 'city: {pattern: "("}', "pattern:", "escaped"],
  ["a format that there is not", "city: {type: string}", "city: {format: emial}", "emial", "email"],
  [
    "a schema somewhere else",
    "city: {type: string}",
    "city: {$ref: 'https://example.org/x'}",
    "https://example.org/x",
    "$defs",
  ],
  [
    "a reference to nothing",
    "city: {type: string}",
    "city: {$ref: '#/$defs/x'}",
    "accepts:",
    "$ref",
  ],
  ["a schema that is itself", "type: object", "$ref: '#'", "accepts:", "$ref"],
  [
    "another draft",
    "type: object",
    "$schema: http://json-schema.org/draft-07/schema#",
    "draft-07",
    "2020-12",
  ],
  [
    "a list that is no schema",
    "accepts:",
    "returns: []\n      accepts:",
    "returns:",
    "JSON Schema",
  ],
  ["a pattern of an answer that is none", '"sk-[a-z]+"', '"sk-[a-z"', "sk-", "escaped"],
  [
    "both promises about answers",
    "    validation: soft",
    "    response_contract: {min_artifact_builds: 1}",
    "response_contract",
    "io.output_policy",
  ],
];

const text: Row[] = [
  ["no opening", "---\nname", "name", "", "---"],
  ["an empty line before", "---\nname", "\n---\nname", "", "empty lines"],
  ["no closing", "---\n\n# What", "\n# What", "---", "Close it"],
  ["a tab", "    validation: soft", "\tvalidation: soft", "\tvalidation", "spaces"],
  ["a star without quotes", '["python3 "]', "[*]", "patterns: [*]", 'quotes: "*"'],
  ["an anchor", "validation: soft", "validation: &mode soft", "&mode", "quotes"],
  ["a tag", "validation: soft", "validation: !mode soft", "!mode", "Remove"],
  [
    "a colon in a text",
    "model: google/gemini-3-flash-preview",
    "model: gemini: flash",
    "gemini: flash",
    "quotes",
  ],
  ["an open quote", 'version: "1.0"', 'version: "1.0', 'version: "1.0', "quote"],
  [
    "an open bracket",
    'scopes: ["self.*"]',
    'scopes: ["self.*"',
    "- type: AgentSpawn",
    "bracket|Close",
  ],
  ["a number as a key", "city: {type: string}", "1: {type: string}", "1: {", "quotes"],
  ["infinity", "temperature: 0.1", "temperature: .inf", ".inf", "quotes|JSON"],
  ["a control character", "description: Writes", "description: \u0007Writes", "Writes", "Remove"],
  ["no instructions", "\n# What you do\n\nWrite code.\n", "", "", "what the agent is to do"],
  [
    "no model for one that reasons",
    right.slice(right.indexOf("    llm_config"), right.indexOf("    capabilities")),
    "",
    "autonoetic:",
    "llm_config",
  ],
  [
    "a list for everything",
    right.slice(4, right.indexOf("---\n\n")),
    "- a\n",
    "",
    "keys and values",
  ],
  [
    "no manifest",
    right.slice(right.indexOf("metadata:"), right.indexOf("---\n\n")),
    "",
    "",
    "metadata.autonoetic",
  ],
  [
    "metadata that is no JSON",
    right.slice(right.indexOf("metadata:"), right.indexOf("---\n\n")),
    "metadata: '{\"autonoetic\": }'\n",
    "metadata",
    "single quotes",
  ],
  [
    "a key twice in JSON",
    right.slice(right.indexOf("metadata:"), right.indexOf("---\n\n")),
    `metadata: '{"autonoetic": {}, "autonoetic": {}}'\n`,
    "metadata",
    "Keep one",
  ],
];

function problemsOf(skill: string, files: AgentFileHead[] = []): AgentProblem[] {
  try {
    parseAgent({ skill, files });
  } catch (error) {
    if (error instanceof Problem && error.code === "agent_invalid") {
      return error.details?.problems as AgentProblem[];
    }
    throw error;
  }
  return [];
}

function lineOf(skill: string, at: string): number {
  const lines = skill.split("\n");
  // Of what stands twice, the second is at fault.
  return lines.findLastIndex((line) => line.includes(at)) + 1;
}

function expectOne(skill: string, problems: AgentProblem[], at: string, says: string): void {
  expect(problems.length, JSON.stringify(problems)).toBe(1);
  const [{ line, column, message, remedy }] = problems as [AgentProblem];
  if (at !== "") expect(line, JSON.stringify(problems)).toBe(lineOf(skill, at));
  expect(line).toBeGreaterThan(0);
  expect(column).toBeGreaterThan(0);
  expect(message.length).toBeGreaterThan(10);
  expect(message).toMatch(/^[^a-z]|^[a-z_]+[. ]|^[a-z_]+$/);
  expect(message).not.toMatch(/\.$/);
  const words = says.split("|");
  expect(
    words.some((word) => remedy.includes(word)),
    `${remedy} says ${says}`,
  ).toBe(true);
}

describe("a manifest", () => {
  it("that is right has no problem", () => {
    expect(problemsOf(right)).toEqual([]);
  });

  it.each([...keys, ...values, ...schemas, ...text])(
    "with %s is refused",
    (_, from, to, at, says) => {
      expect(right).toContain(from);
      const skill = right.replace(from, () => to);
      expectOne(skill, problemsOf(skill), at, says);
    },
  );

  it.each(["runtime.lock", "lib/runtime.lock", "Runtime.Lock", "skill.md"])(
    "that brings %s is refused: no line of it is at fault",
    (path) => {
      const brought = { path, executable: false, firstBytes: Buffer.from("x") };
      const [problem, ...more] = problemsOf(right, [brought]);
      expect(more).toEqual([]);
      expect(problem).toMatchObject({ line: null, column: null, path });
      expect(problem?.remedy).toMatch(/Leave it out|Keep one/);
    },
  );

  it("tells all its faults at once, in order of their lines, and of many only the first", () => {
    const skill = right
      .replace("validation: soft", "validation: sotf")
      .replace('version: "1.0"', "version: 1.0")
      .replace("type: ReadAccess", "type: ReadAcess");
    const lines = problemsOf(skill).map(({ line }) => line);
    expect(lines).toEqual([6, 23, 31]);
    const many = Array.from({ length: 400 }, (_, at) => `    key${at}: 1`).join("\n");
    expect(problemsOf(right.replace("    validation: soft", many)).length).toBe(50);
  });

  it("has the same lines with a byte order mark and with line ends of Windows", () => {
    const wrong = right.replace("validation: soft", "validation: sotf");
    const [expected] = problemsOf(wrong);
    expect(problemsOf(`\uFEFF${wrong.replaceAll("\n", "\r\n")}`)).toEqual([expected]);
    const read = parseAgent({ skill: `\uFEFF${right.replaceAll("\n", "\r\n")}`, files: [] });
    expect(read).toEqual(parseAgent({ skill: right, files: [] }));
  });

  it("tells a fault within JSON by its path, on the line of the text", () => {
    const metadata = { autonoetic: { agent: { id: "x" }, capabilities: [], llm_confg: {} } };
    const skill = `---\nname: x\nmetadata: '${JSON.stringify(metadata)}'\n---\nGo.\n`;
    expect(problemsOf(skill)).toEqual([
      expect.objectContaining({ line: 3, path: "llm_confg", remedy: "Did you mean llm_config?" }),
    ]);
  });
});
