import { folderOf } from "./agent-folder.ts";
import type { Random } from "./fuzz-random.ts";
import { garbage, nearly, openValues, type Schema } from "./fuzz-values.ts";
import { zipOf } from "./zip-of.ts";

/** The part of an OpenAPI document that is used. */
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operation {
  operationId: string;
  security?: unknown[];
  parameters?: { name: string; in: "path" | "query" | "header"; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

export interface FuzzRequest {
  operation: Operation;
  /** The path in the document's spelling. */
  template: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

/** What is there to be asked for: ids by the name of their schema, secrets of tokens, an archive of a layer. */
export interface Known {
  RunId: string[];
  OutputId: string[];
  TokenId: string[];
  ApprovalId: string[];
  InteractionId: string[];
  LayerIdOrDigest: string[];
  ArtifactIdOrRef: string[];
  ArtifactRef: string[];
  SkillId: string[];
  AgentsMdId: string[];
  FileId: string[];
  layer: Buffer;
  cursors: string[];
  /** Opens everything. */
  secret: string;
  otherSecrets: string[];
}

/** Most requests ask what users ask most; those that work through the whole gateway are rare. */
const weights: Record<string, number> = {
  submitRun: 20,
  verify: 0.2,
  doctor: 0.05,
  createToken: 2,
  deleteLayer: 3,
  exportLayer: 20,
  execArtifact: 3,
  proveArtifact: 3,
  revokeArtifact: 2,
  stopRun: 4,
  deny: 4,
  rotateKey: 0.5,
};
/** Few enough that what one request installs another one finds. */
const agents = ["fuzz.a", "fuzz.b", "fuzz.c", "planner.default"] as const;
const bundleNames = ["one", "two", "three"] as const;
const asking = "curl -s https://fuzz.invalid/";
const usualWeight = 10;
const boundary = "----fuzz";

type Submission = Record<"prompt" | "message" | "input", unknown>;

/** Makes requests for all operations of a document: valid ones, nearly valid ones and garbage. */
export function openRequests(document: ApiDocument, known: Known) {
  const operations = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...{ template, method: method.toUpperCase(), operation },
      weight: weights[operation.operationId] ?? usualWeight,
    })),
  );
  const total = operations.reduce((sum, { weight }) => sum + weight, 0);
  const one = (ids: string[]) => (random: Random) => ids[random.int(ids.length)];
  const submissions = document.components.schemas.RunSubmission ?? {};
  const valid = openValues(document.components.schemas, {
    RunSubmission: (random): unknown => {
      const { prompt, message, input, ...others } = valid(submissions, random) as Submission;
      // One of them is wanted, and an agent for the last.
      const said = random.pick([{ prompt: "go" }, { prompt }, { message }, { message, input }]);
      return { ...others, ...said };
    },
    AgentId: (random) => random.pick(agents),
    AgentInstall: (random) => {
      const model = random.pick(["anthropic/claude-sonnet-4-5", "nobody/x"]);
      const files = random.chance(0.3) ? [{ path: "notes.md", content: "More" }] : [];
      return folderOf({ id: random.pick(agents), model }, files);
    },
    InteractionId: one(known.InteractionId),
    AnswerInteraction: (random) => random.pick<object>([{ text: "yes" }, { option: "y" }]),
    ForkRequest: (random) => random.pick<object>([{}, { message: "again" }, { turn: 1 }]),
    RunId: one(known.RunId),
    OutputId: one(known.OutputId),
    TokenId: one(known.TokenId),
    ApprovalId: one(known.ApprovalId),
    // What reaches further than one call can be taken back when its run is over, too.
    ApproveRequest: (random) =>
      random.pick<object>([
        { scope: "agent_revision" },
        { scope: "agent_revision", note: "yes" },
        { scope: "artifact" },
        {},
      ]),
    ExplainRequest: (random) => ({
      tool: random.pick(["sandbox_exec", "content_write", "artifact_exec", "no_tool"]),
      arguments: random.pick<object>([{ command: asking }, { command: "ls '" }, { name: "a" }, {}]),
      ...(random.chance(0.3) ? { files: [{ name: "a.py", content: "import socket" }] } : {}),
      ...(random.chance(0.3) ? { agent: { capabilities: [] } } : {}),
    }),
    // Few enough that what one request sets another one finds.
    SecretName: (random) => random.pick(["A_KEY", "B_KEY", "C_KEY"]),
    SetSecret: (random) => ({ value: `fuzz-${random.int(1_000_000)}-of-no-worth` }),
    LayerIdOrDigest: one(known.LayerIdOrDigest),
    ArtifactIdOrRef: one(known.ArtifactIdOrRef),
    ArtifactRef: one(known.ArtifactRef),
    SkillId: one(known.SkillId),
    AgentsMdId: one(known.AgentsMdId),
    FileId: one(known.FileId),
    BundleName: (random) => random.pick(bundleNames),
    ArtifactExec: (random) => random.pick<object>([{}, { entrypoint: "main.sh" }, { args: ["x"] }]),
    ArtifactProve: (random) =>
      random.pick<object>([{}, { command: "true" }, { entrypoint: "other.sh" }]),
    // Nobody is asked over the network: a provider that is not the script's stays unknown.
    ModelId: (random) => random.pick(["scripted/fuzz", "scripted/fuzz", "scripted/fuzz", "who/x"]),
    InputPath: (random) => random.pick(["a.txt", "b/c.txt", "b", "..", "x y/ü.md"]),
    OutputDirs: (random) => random.pick([["/workspace"], ["/workspace/out"], ["out", "/tmp"], []]),
  });

  function choose(random: Random) {
    let left = (random.int(1_000_000) / 1_000_000) * total;
    const found = operations.find(({ weight }) => {
      left -= weight;
      return left < 0;
    });
    return found ?? operations[0];
  }

  return function request(random: Random): FuzzRequest {
    const chosen = choose(random);
    if (!chosen) throw new Error("The document has no operation");
    const { template, method, operation } = chosen;
    const wrong = () => random.chance(0.15);
    const query = new URLSearchParams();
    const headers: Record<string, string> = { ...authorization(operation, random, known) };
    let path = template;
    for (const parameter of operation.parameters ?? []) {
      const good = String(valid(parameter.schema, random));
      const value = wrong() ? text(garbage(random, 3)) : good;
      if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encoded(value));
      else if (parameter.in === "query" && random.chance(0.4)) {
        query.append(parameter.name, better(parameter.name, value, random, known));
        if (random.chance(0.02)) query.append(parameter.name, value);
      } else if (parameter.in === "header" && random.chance(0.3)) {
        headers[parameter.name.toLowerCase()] = headerValue(
          parameter.name === "Last-Event-ID" ? String(random.int(12)) : value,
        );
      }
    }
    if (random.chance(0.03)) query.append(text(garbage(random, 3)), "1");
    const body = bodyOf(operation, random, headers);
    if (random.chance(0.1)) headers.accept = random.pick(["text/event-stream", "*/*", "x", ";q=;"]);
    const search = query.size > 0 ? `?${query}` : "";
    return { operation, template, method, path: `${path}${search}`, headers, body };
  };

  function bodyOf(operation: Operation, random: Random, headers: Record<string, string>) {
    if (operation.requestBody?.content["application/zstd"]) {
      headers["content-type"] = random.chance(0.9) ? "application/zstd" : "application/json";
      const end = random.chance(0.8) ? known.layer.length : random.int(known.layer.length);
      return known.layer.subarray(0, end);
    }
    const content = operation.requestBody?.content["application/json"];
    if (!content && operation.requestBody?.content["multipart/form-data"]) {
      headers["content-type"] = `multipart/form-data; boundary=${boundary}`;
      return bundleForm(operation.operationId, random);
    }
    if (!content) {
      if (!random.chance(0.05)) return undefined;
      headers["content-type"] = "application/json";
      return Buffer.from(JSON.stringify(garbage(random)));
    }
    const good = valid(content.schema, random);
    const value = random.chance(0.4) ? nearly(good, random) : good;
    let json = JSON.stringify(random.chance(0.05) ? garbage(random) : value);
    if (random.chance(0.05)) json = json.slice(0, random.int(json.length));
    const bytes = Buffer.from(json);
    if (bytes.length > 0 && random.chance(0.03)) bytes[random.int(bytes.length)] = random.int(256);
    headers["content-type"] = random.chance(0.95)
      ? "application/json"
      : random.pick(["text/plain", "multipart/form-data", "application/json; charset=x", ";"]);
    if (random.chance(0.02)) headers["content-encoding"] = random.pick(["gzip", "br", "identity"]);
    if (!operation.requestBody?.content["multipart/form-data"] || !random.chance(0.15))
      return bytes;
    headers["content-type"] = `multipart/form-data; boundary=${boundary}`;
    return form(bytes, random);
  }
}

/** An upload of a bundle, of which few are different: some have the wrong files, and some zips are damaged. */
function bundleForm(operationId: string, random: Random): Buffer {
  const file = operationId === "createAgentsMd" ? "AGENTS.md" : "SKILL.md";
  const path = random.chance(0.85) ? file : random.pick(["../x", "other.md", "a/SKILL.md"]);
  const zip = zipOf([{ path, bytes: `# ${random.int(5)}` }]);
  if (random.chance(0.1)) zip[random.int(zip.length)] = random.int(256);
  const parts: [string, Buffer][] = [
    ["name", Buffer.from(random.chance(0.9) ? random.pick(bundleNames) : text(garbage(random, 2)))],
    ["bundle", zip],
  ];
  if (random.chance(0.1)) parts.push(["contentHash", Buffer.from(`sha256:${"0".repeat(64)}`)]);
  if (random.chance(0.05)) parts.push([random.pick(["name", "content", "other", ""]), zip]);
  if (random.chance(0.05)) parts.shift();
  return partsOf(parts, random);
}

function form(submission: Buffer, random: Random): Buffer {
  const names = ["submission", ...(random.chance(0.3) ? ["file:a"] : [])];
  if (random.chance(0.1)) names.push(random.pick(["submission", "file:", "other", ""]));
  const bytes = Buffer.from("some bytes");
  const parts = names.map((name): [string, Buffer] => {
    return [name, name === "submission" ? submission : bytes];
  });
  return partsOf(parts, random);
}

function partsOf(given: [string, Buffer][], random: Random): Buffer {
  const parts = given.flatMap(([name, bytes]) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
    bytes,
    Buffer.from("\r\n"),
  ]);
  const whole = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return random.chance(0.15) ? whole.subarray(0, random.int(whole.length)) : whole;
}

function authorization(operation: Operation, random: Random, known: Known) {
  if (operation.security?.length === 0) return {};
  const other = known.otherSecrets[random.int(known.otherSecrets.length)] ?? "";
  if (random.chance(0.92)) return { authorization: `Bearer ${known.secret}` };
  const wrong = random.pick([`Bearer ${other}`, "Bearer x", "Basic eDp5", "Bearer", "bearer  y"]);
  return random.chance(0.2) ? {} : { authorization: wrong };
}

function better(name: string, value: string, random: Random, known: Known): string {
  if (name === "status") return random.pick(["succeeded", "running,queued", "failed", value, "x,"]);
  if (name === "since") return random.pick([String(random.int(12)), "0", value]);
  if (name !== "cursor" || random.chance(0.3)) return value;
  return known.cursors[random.int(known.cursors.length)] ?? value;
}

/** Short enough that the whole request line stays below the limit of headers, which answers for itself. */
function text(value: unknown): string {
  const whole = typeof value === "string" ? value : JSON.stringify(value);
  return whole.slice(0, 500);
}

/** Never nothing: that would be another route. */
function encoded(value: string): string {
  return encodeURIComponent(value.toWellFormed()) || "-";
}

/** What a client of Node lets pass; the rest is sent over bare sockets by other tests. */
function headerValue(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, "?").slice(0, 2000);
}
