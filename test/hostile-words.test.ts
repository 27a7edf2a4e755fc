/**
 * Words that are made to keep a pattern matcher busy for ever, in every place of the API that looks
 * at words. With matching that is not linear each of them would take longer than the test may.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const long = 200_000;
/** What makes `(a+)+$`, `(a|a)*b`, `(.*)*x` and their kin go back, and back again. */
const words = [
  `${"a".repeat(long)}!`,
  `${"a.".repeat(long / 2)}!`,
  `${"a-_".repeat(long / 3)}\u00e9`,
  `${"/".repeat(long)}..`,
  `${"../".repeat(long / 3)}`,
  `${" ".repeat(long)}x`,
  `${"*".repeat(long)}`,
  `${"9".repeat(long)}e`,
  "(a+)+$",
  "(a|a)*b",
];
const absolute = words.map((word) => `/workspace/${word}`);

/** Names for files that are as long as names may be. */
const names = ["a", "a.", "a-", " ", "(a+)+$", "é", ".", "'\"", "%2e", "\t", "__proto__."].map(
  (part) => `f${part.repeat(Math.floor(120 / Buffer.byteLength(part)))}!`,
);
const notFound = [
  `${"a".repeat(15_000)}: ${"a ".repeat(7000)}: not found${" ".repeat(1000)}x`,
  `${"a: not found ".repeat(2000)}${"\t".repeat(5000)}`,
  `${"+.-".repeat(9000)}: command not found`,
];
const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const script = {
  scripts: {
    says: {
      turns: [
        {
          calls: [
            ...notFound.map((text) => exec(`printf %s '${text}' >&2; exit 127`)),
            exec(`: '${"(a+)+$ ".repeat(10_000)}'`),
            exec(`cd /workspace/out; ${names.map((name) => `: > ${quote(name)}`).join("; ")}`),
          ],
        },
        { text: "end" },
      ],
    },
    writes: {
      turns: [
        {
          calls: words.map((name) => ({
            tool: "content_write",
            arguments: { name: name.slice(0, 100_000), content: "x" },
          })),
        },
        { text: "end" },
      ],
    },
  },
};

function quote(name: string): string {
  return `'${name.replaceAll("'", "'\\''")}'`;
}

describe("words that a pattern could choke on", () => {
  let gateway: StartedGateway;
  beforeAll(async () => {
    gateway = await startGateway({ script, env: { AIRLOCK_LOG_LEVEL: "warn" } });
  });
  afterAll(() => gateway.stop());

  const agent = { instructions: "x", capabilities: [] };
  const all = { model: "scripted/says", prompt: "x" };
  const members: [member: string, body: (word: string) => object, from?: string[]][] = [
    ["model", (word) => ({ model: word })],
    ["fallbackModel", (word) => ({ fallbackModel: word })],
    ["outputDirs", (word) => ({ outputDirs: [word] }), absolute],
    ["files.path", (word) => ({ files: [{ path: word, content: "x" }] })],
    ["files.slot", (word) => ({ files: [{ path: "x", slot: word }] })],
    ["files.sha256", (word) => ({ files: [{ path: "x", content: "x", sha256: word }] })],
    ["files.contentBase64", (word) => ({ files: [{ path: "x", contentBase64: word }] })],
    ["agent.id", (word) => ({ agent: { ...agent, id: word } })],
    [
      "agent.capabilities.scopes",
      (word) => ({ agent: { ...agent, capabilities: [{ type: "ReadAccess", scopes: [word] }] } }),
    ],
    [
      "agent.capabilities.patterns",
      (word) => ({
        agent: { ...agent, capabilities: [{ type: "CodeExecution", patterns: [word] }] },
      }),
    ],
    ["metadata", (word) => ({ metadata: { [word]: "x" } })],
    ["idempotencyKey", (word) => ({ idempotencyKey: word })],
  ];
  it.each(members)("are refused, or are a word like any other, as %s", async (_, body, from) => {
    for (const word of from ?? words) {
      const { status } = await call(gateway, "POST", "/api/runs", { ...all, ...body(word) });
      expect([201, 400, 404, 409, 422], word.slice(0, 40)).toContain(status);
    }
  });

  it("are refused in paths and queries", async () => {
    for (const word of words) {
      const text = encodeURIComponent(word.slice(0, 1000));
      for (const path of [
        `/api/runs/${text}`,
        `/api/runs/${text}/events`,
        `/api/runs/${text}/outputs/${text}`,
        `/api/runs?status=${text}`,
        `/api/runs?cursor=${text}`,
        `/api/runs?limit=${text}`,
      ]) {
        const { status } = await call(gateway, "GET", path);
        expect([400, 404], path.slice(0, 60)).toContain(status);
      }
    }
  });

  it("are said, run and left behind as file names by a run", async () => {
    const run = await clientOf(gateway).submitRun({ ...all, outputDirs: ["/workspace/out"] });
    const ended = await run.wait();
    expect(ended).toMatchObject({ status: "succeeded", reply: "end" });
    const results = await resultsOf(gateway, run.id);
    const codes = results.map(({ exit_code }) => exit_code);
    expect(codes).toEqual([...notFound.map(() => 127), 0, 0]);
    const outputs = await run.outputs();
    expect(outputs.map(({ path }) => path).sort()).toEqual(
      names.map((name) => `/workspace/out/${name}`).sort(),
    );
  });

  it("are refused as names of content", async () => {
    const run = await clientOf(gateway).submitRun({ ...all, model: "scripted/writes" });
    const ended = await run.wait();
    const results = await resultsOf(gateway, run.id);
    expect(["end_turn", "loop_guard"]).toContain(ended.stop_reason);
    expect(results.filter(({ ok }) => ok === false).length).toBeGreaterThan(words.length / 2);
  });
});
