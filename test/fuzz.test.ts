/**
 * Requests made from the document of the API: valid, nearly valid and garbage in every place that a client can fill. What
 * the gateway answers has to be in the document too, whatever it was asked; nothing is ever its own failure, and no
 * amount of it costs memory or harms a run. 5,000 requests; 100,000 with AIRLOCK_SOAK.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request as send } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import type { ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./support/airlock-api.ts";
import { openRandom } from "./support/fuzz-random.ts";
import {
  type ApiDocument,
  type FuzzRequest,
  type Known,
  openRequests,
} from "./support/fuzz-requests.ts";
import { residentBytes } from "./support/resident-memory.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const soak = process.env.AIRLOCK_SOAK === "1";
const requestsInAll = soak ? 100_000 : 5_000;
/** What caches and the heap take at first is not a leak. */
const warmUp = soak ? 20_000 : 1_500;
const growthBytes = 48 * 1024 * 1024;
const clients = 16;
const seed = Number(process.env.AIRLOCK_FUZZ_SEED ?? Date.now() % 1_000_000);

/** Nobody has this name, so that a yes does no harm. */
const asking = { tool: "sandbox_exec", arguments: { command: "curl -s https://fuzz.invalid/" } };
const question = {
  tool: "user_ask",
  arguments: { question: "Go on?", options: [{ id: "y", label: "Yes" }] },
};
/** Runs that wait for a person: enough that some are approved, some denied and some left alone. */
const waiting = 24;
const questions = 6;

let gateway: StartedGateway;
const agent = new Agent({ keepAlive: true, maxSockets: clients });
beforeAll(async () => {
  const nowhere = "http://127.0.0.1:9";
  gateway = await startGateway({
    script: {
      scripts: {
        fuzz: { turns: [{ text: "done" }] },
        inquires: { turns: [{ calls: [question] }, { text: "done" }] },
        asks: { turns: [{ calls: [asking] }, { text: "done" }] },
      },
    },
    env: {
      AIRLOCK_RATE_SUBMISSIONS: "1000000",
      AIRLOCK_RATE_ARCHIVES: "1000000",
      AIRLOCK_RATE_EXPORTS: "1000000",
      ...{ ANTHROPIC_BASE_URL: nowhere, OPENAI_BASE_URL: nowhere, GOOGLE_BASE_URL: nowhere },
    },
  });
});
afterAll(async () => {
  agent.destroy();
  await gateway.stop();
});

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  /** Of a stream of events: its beginning. */
  body: string;
}

/** Sends a request over a connection that is kept. A stream of events is let go after its first words. */
function ask({ method, path, headers, body }: FuzzRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body ? { "content-length": String(body.length) } : {};
    const options = { method, agent, headers: { ...headers, ...length } };
    const outgoing = send(`${gateway.url}${path}`, options, (incoming) => {
      const chunks: Buffer[] = [];
      const done = () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
        });
      incoming.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (incoming.headers["content-type"]?.startsWith("text/event-stream")) {
          done();
          outgoing.destroy();
        }
      });
      incoming.on("end", done);
      incoming.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Says what is wrong with an answer, by the document alone. */
function openJudge(document: ApiDocument) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false });
  ajv.addSchema(document, "api");
  const checks = new Map<string, ValidateFunction>();
  const escaped = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");

  return function defectOf(asked: FuzzRequest, { status, headers, body }: Answer) {
    if (status >= 500) return "it is the gateway's own failure";
    if (!/^req_/.test(String(headers["x-request-id"]))) return "it has no request id";
    const documented = asked.operation.responses[String(status)];
    if (!documented) return "its status is not in the document";
    const type = String(headers["content-type"] ?? "").split(";")[0] ?? "";
    const types = Object.keys(documented.content ?? {});
    if (types.length === 0) return body === "" ? undefined : "it has a body";
    if (!types.includes(type)) return types.includes("*/*") ? undefined : `its type is ${type}`;
    if (type !== "application/json") return undefined;
    const route = [asked.template, asked.method.toLowerCase(), "responses", String(status)];
    const pointer = ["paths", ...route, "content", type, "schema"].map(escaped).join("/");
    const $ref = `api#/${pointer.split("/").map(encodeURIComponent).join("/")}`;
    const check = checks.get($ref) ?? ajv.compile({ $ref });
    checks.set($ref, check);
    return check(JSON.parse(body)) ? undefined : ajv.errorsText(check.errors);
  };
}

/** What answers tell is asked for later, so that the fuzz gets beyond the first door. */
function learn(known: Known, { operation }: FuzzRequest, { status, body }: Answer): void {
  const keep = (list: string[], value: unknown) => {
    if (typeof value !== "string") return;
    list.push(value);
    if (list.length > 200) list.shift();
  };
  if (status > 201 || !body.startsWith("{")) return;
  const found = JSON.parse(body);
  if (operation.operationId === "submitRun") keep(known.RunId, found.run.id);
  if (operation.operationId === "listRuns") keep(known.cursors, found.nextCursor);
  if (operation.operationId === "listOutputs") keep(known.OutputId, found.outputs[0]?.id);
  if (operation.operationId === "listApprovals") {
    keep(known.ApprovalId, found.approvals[0]?.id);
    keep(known.cursors, found.nextCursor);
  }
  if (operation.operationId === "listInteractions") keep(known.cursors, found.nextCursor);
  if (operation.operationId === "forkRun") keep(known.RunId, found.run.id);
  if (operation.operationId === "approve") keep(known.ApprovalId, found.approval.id);
  if (operation.operationId === "createSkill") keep(known.SkillId, found.skill.id);
  if (operation.operationId === "createAgentsMd") keep(known.AgentsMdId, found.agentsMd.id);
  if (operation.operationId === "createFile") keep(known.FileId, found.file.id);
  if (operation.operationId === "importLayer") keep(known.LayerIdOrDigest, found.layer.id);
  if (operation.operationId === "createArtifact") {
    keep(known.ArtifactIdOrRef, found.artifact.id);
    keep(known.ArtifactIdOrRef, found.artifact.ref);
    keep(known.ArtifactRef, found.artifact.ref);
  }
  if (operation.operationId !== "createToken") return;
  keep(known.TokenId, found.token.id);
  keep(known.otherSecrets, found.secret);
}

function layerArchive(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "airlock-fuzz-"));
  try {
    writeFileSync(join(directory, "file.txt"), "in a layer");
    const options = ["--format=ustar", "--owner=0", "--group=0", "--numeric-owner"];
    return zstdCompressSync(
      execFileSync("tar", [...options, "-C", directory, "-cf", "-", "file.txt"]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Ids of approvals that are pending: each of a call that is like no other, because its run has another file. */
async function firstApprovals(): Promise<string[]> {
  for (let n = 0; n < waiting; n++) {
    const files = [{ path: "n.txt", content: String(n) }];
    await call(gateway, "POST", "/api/runs", { model: "scripted/asks", prompt: "go", files });
  }
  for (;;) {
    const { body } = await call(gateway, "GET", "/api/approvals?status=pending");
    const ids = (body.approvals as { id: string }[]).map(({ id }) => id);
    if (ids.length === waiting) return ids;
    await setImmediate();
  }
}

/** Ids of questions that are pending. */
async function firstQuestions(): Promise<string[]> {
  const agent = { instructions: "Ask.", capabilities: [] };
  const run = { model: "scripted/inquires", prompt: "go", agent };
  for (let n = 0; n < questions; n++) await call(gateway, "POST", "/api/runs", run);
  for (;;) {
    const { body } = await call(gateway, "GET", "/api/interactions?status=pending");
    const ids = (body.interactions as { id: string }[]).map(({ id }) => id);
    if (ids.length === questions) return ids;
    await setImmediate();
  }
}

async function firstKnown(): Promise<Known> {
  const run = { model: "scripted/fuzz", prompt: "go" };
  const { body } = await call(gateway, "POST", "/api/runs", run);
  const made = await call(gateway, "POST", "/api/tokens", { name: "other", scopes: ["approve"] });
  const { artifact } = (
    await call(gateway, "POST", "/api/artifacts", {
      files: [{ path: "main.sh", content: "echo here" }],
      entrypoints: ["main.sh"],
    })
  ).body as { artifact: { id: string; ref: string } };
  const id = `layer_${"0".repeat(32)}`;
  return {
    LayerIdOrDigest: [id],
    ArtifactIdOrRef: [artifact.id, artifact.id],
    ArtifactRef: [artifact.ref],
    SkillId: ["skl_01kadz3v6m5c0jx9s2qf8t7w4b"],
    AgentsMdId: ["amd_01kadz3v6m5c0jx9s2qf8t7w4b"],
    FileId: ["fil_01kadz3v6m5c0jx9s2qf8t7w4b"],
    layer: layerArchive(),
    RunId: [(body.run as { id: string }).id],
    OutputId: ["out_01kadz3v6m5c0jx9s2qf8t7w4b"],
    ApprovalId: await firstApprovals(),
    InteractionId: await firstQuestions(),
    TokenId: ["tok_01kadz3v6m5c0jx9s2qf8t7w4b"],
    cursors: ["x"],
    secret: gateway.token,
    otherSecrets: [String(made.body.secret)],
  };
}

describe(`requests made from the document (seed ${seed})`, () => {
  it(
    "get answers that are in the document, and cost neither memory nor a run",
    async () => {
      const document = (await call(gateway, "GET", "/api/openapi.json")).body;
      const defectOf = openJudge(document as unknown as ApiDocument);
      const known = await firstKnown();
      const make = openRequests(document as unknown as ApiDocument, known);
      const random = openRandom(seed);
      const statuses = new Map<string, number>();
      const defects: string[] = [];
      const operations = Object.values((document as unknown as ApiDocument).paths)
        .flatMap((methods) => Object.values(methods))
        .map(({ operationId }) => operationId)
        // The last one answers only for a run that is at work and has an upstream.
        .filter((id) => !["doctor", "verify", "getOutput", "proxyCall"].includes(id));
      const isReached = (id: string) =>
        [200, 201, 202, 204].some((status) => statuses.has(`${id} ${status}`));
      let left = requestsInAll;
      let warm = 0;
      // It goes on for a while until chance has been everywhere.
      const isOver = () => left <= 0 && (left <= -6 * requestsInAll || operations.every(isReached));
      const client = async () => {
        while (!isOver() && defects.length < 10) {
          left -= 1;
          if (left === requestsInAll - warmUp) warm = residentBytes(gateway.pid);
          const asked = make(random);
          const answer = await ask(asked).catch((error: unknown) => unlessDeleted(asked, error));
          if (answer === undefined) continue;
          const name = `${asked.operation.operationId} ${answer.status}`;
          statuses.set(name, (statuses.get(name) ?? 0) + 1);
          const defect = defectOf(asked, answer);
          if (defect) defects.push(described(asked, answer, defect));
          learn(known, asked, answer);
        }
      };
      await Promise.all(Array.from({ length: clients }, client));
      expect(defects).toEqual([]);
      // Were the requests all refused at the first door, nothing would have been tested.
      expect(operations.filter((id) => !isReached(id))).toEqual([]);
      // Garbage is not growth: V8 collects it when the gateway has had nothing to do for some seconds.
      const grown = () => residentBytes(gateway.pid) - warm;
      await expect.poll(grown, { timeout: 60_000, interval: 500 }).toBeLessThan(growthBytes);
      const verified = await call(gateway, "POST", "/api/verify");
      expect(verified.body).toMatchObject({ report: { ok: true, defects: [] } });
      expect(gateway.log()).not.toContain("http.failed");
    },
    soak ? 3_600_000 : 300_000,
  );
});

/** An archive is cut off when its run is deleted while it is sent: what is signed is whole, or is none. */
async function unlessDeleted({ operation, path, headers }: FuzzRequest, error: unknown) {
  if (operation.operationId !== "getArchive") throw error;
  const run = path.replace(/\/archive.*$/, "");
  const { status } = await call(gateway, "GET", run, undefined, headers);
  if (status !== 410) throw error;
  return undefined;
}

function described({ method, path, headers, body }: FuzzRequest, answer: Answer, defect: string) {
  const { authorization: _, ...shown } = headers;
  return [
    `${method} ${path.slice(0, 300)} ${JSON.stringify(shown)} ${body?.toString().slice(0, 500) ?? ""}`,
    `got ${answer.status} ${answer.body.slice(0, 500)}: ${defect}`,
  ].join("\n");
}
