/**
 * The corpus of code that reaches out (F01 to F08), really run: with hosts of ours that count who comes. Without a yes of
 * a person nobody comes, whatever the code does and whether or not analysis saw it coming; with one, only to the host that
 * was shown.
 *
 * Each program knocks at a port of its own, so that what was reached says which program it was. The same programs are
 * run where the host that they knock at is inside: there they do arrive, or zero would mean nothing.
 */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { untilEvent } from "./support/results-of.ts";
import { carried } from "./support/sink-carried.ts";
import { corpusPrograms } from "./support/sink-corpus.ts";
import { javascriptPrograms } from "./support/sink-javascript.ts";
import type { SinkProgram, Target } from "./support/sink-program.ts";
import { pythonPrograms } from "./support/sink-python.ts";
import { runnerSource } from "./support/sink-runner.ts";
import { shellPrograms } from "./support/sink-shell.ts";
import { listenUnix, newAbstractName, type SocketCanary } from "./support/socket-canary.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const opened = "127.0.0.3";
const another = "127.0.0.4";

const isThere = (program: string): boolean => {
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
const own = [...pythonPrograms, ...javascriptPrograms, ...shellPrograms, ...carried].filter(
  ({ needs }) => needs.every(isThere),
);

/** A program with its place in the run and its own host outside. */
interface Placed {
  id: string;
  program: SinkProgram;
  target: Target;
  sink: NetworkSink | undefined;
  unix: SocketCanary | undefined;
  hits: () => number;
}

let director: Director;
let gateway: StartedGateway;
let programs: Placed[];
let snippets: Placed[];
/** At another address, the same ports. */
let others: Map<string, NetworkSink>;

const addresses = { loopback: opened, ipv6: "::1", localhost: "127.0.0.1" };

async function place(program: SinkProgram, id: string): Promise<Placed> {
  const dir = `/workspace/p/${id}`;
  const { at = "loopback" } = program;
  if (at === "abstract") {
    const unix = await listenUnix(newAbstractName());
    const target = { address: "", port: 0, url: "", abstract: unix.path.slice(1), dir };
    return { ...{ id, program, target, unix }, sink: undefined, hits: unix.hits };
  }
  const sink = await openSink(addresses[at]);
  const target = {
    address: addresses[at],
    port: sink.port,
    url: `${sink.url}/x`,
    abstract: "",
    dir,
  };
  return { ...{ id, program, target, sink }, unix: undefined, hits: () => sink.hits().length };
}

beforeAll(async () => {
  director = await openDirector();
  programs = await Promise.all(own.map((one, index) => place(one, `own-${index}`)));
  snippets = await Promise.all(corpusPrograms.map((one, index) => place(one, `corpus-${index}`)));
  const elsewhere = programs.filter(({ target }) => target.address === opened);
  others = new Map(
    await Promise.all(
      elsewhere.map(async ({ id, target }) => [id, await openSink(another, target.port)] as const),
    ),
  );
  gateway = await startGateway({
    env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: `${opened},${another}` },
  });
});
afterAll(async () => {
  await gateway.stop();
  for (const { sink, unix } of [...programs, ...snippets]) await (sink ?? unix)?.close();
  for (const sink of others.values()) sink.close();
  await director.close();
});

const hitsOf = (placed: readonly Placed[]) =>
  placed.filter(({ hits }) => hits() > 0).map(({ program }) => program.name);

const bytesOf = (data: string | Uint8Array) =>
  typeof data === "string" ? Buffer.from(data) : data;
const runnerPath = "/workspace/run.py";
const listPath = "/workspace/list.json";

/** The files of a run that has these programs, and a list of them for the runner. */
function filesOf(placed: readonly Placed[]) {
  const list = placed.map(({ id, program, target }) => {
    const { address, port, abstract, dir } = target;
    return [id, { address, port, abstract, dir, command: program.command(target) }] as const;
  });
  const files = placed.flatMap(({ id, program, target }) =>
    Object.entries(program.files(target)).map(([path, data]) => ({
      ...{ path: `p/${id}/${path}`, executable: true, bytes: bytesOf(data) },
    })),
  );
  return [
    { path: "run.py", content: runnerSource },
    { path: "list.json", bytes: bytesOf(JSON.stringify(Object.fromEntries(list))) },
    ...files,
  ];
}

const codeOnly = [{ type: "CodeExecution" as const, patterns: ["*"] }];
const agent = { id: "reaches-out", instructions: "Do it.", capabilities: codeOnly };
const limits = { callSeconds: 120 };

async function openRun(
  placed: readonly Placed[],
  capabilities: object[] = [],
): Promise<DirectedRun> {
  return director.open(gateway, {
    agent: { ...agent, capabilities: [...codeOnly, ...capabilities] as typeof codeOnly },
    ...{ files: filesOf(placed), limits },
  });
}

async function runAll(run: DirectedRun, mode: "sink" | "plain", more: object = {}) {
  const command = `python3 ${runnerPath} ${mode} ${listPath}`;
  const answer = await run.call("sandbox_exec", { command, ...more });
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true, exit_code: 0 });
  return JSON.parse(String(answer.stdout)) as { ran: number; hits: Record<string, number> };
}

async function endOf(run: DirectedRun): Promise<void> {
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
}

describe("without a yes", () => {
  it("every program knocks, where what it knocks at is inside, and none arrives outside", async () => {
    const run = await openRun(programs);
    const inside = await runAll(run, "sink", { network: "none" });
    const silent = programs.filter(({ id }) => !inside.hits[id]).map((one) => one.program.name);
    expect(silent).toEqual([]);
    expect(hitsOf(programs)).toEqual([]);
    const plain = await runAll(run, "plain", { network: "none" });
    expect(plain).toMatchObject({ ran: programs.length, hits: {} });
    expect(hitsOf(programs)).toEqual([]);
    await endOf(run);
    process.stdout.write(`sink: ${programs.length} programs knock inside, 0 arrive outside\n`);
  });

  it("so does what the analysis is held against", async () => {
    const run = await openRun(snippets);
    const inside = await runAll(run, "sink", { network: "none" });
    const knocked = snippets.filter(({ id }) => inside.hits[id]);
    expect(hitsOf(snippets)).toEqual([]);
    await endOf(run);
    expect(knocked.length).toBeGreaterThan(60);
    process.stdout.write(
      `sink: ${snippets.length} snippets run, ${knocked.length} knock inside, 0 arrive outside\n`,
    );
  });
});

/** Makes a call; what is asked about it, or undefined when it is not asked about. */
async function calling(run: DirectedRun, args: object) {
  const before = (await asksOf(run)).length;
  const told = run.call("sandbox_exec", args);
  const answered = told.then(() => undefined);
  answered.catch(() => undefined);
  const asked = await Promise.race([
    untilEvent(run.run, "approval.requested", before + 1).then(
      () => true,
      () => undefined,
    ),
    answered,
  ]);
  const request = asked ? (await asksOf(run)).at(-1) : undefined;
  return { told, request };
}

async function asksOf(run: DirectedRun) {
  const history = await historyOf(gateway, run.id);
  return history.filter((event) => isEvent(event, "approval.requested")).map(({ data }) => data);
}

/** Several runs at once, a share of the programs each. */
async function inRuns(
  placed: readonly Placed[],
  work: (run: DirectedRun, one: Placed) => Promise<void>,
): Promise<void> {
  const shares = [0, 1, 2, 3].map((share) => placed.filter((_, index) => index % 4 === share));
  await Promise.all(
    shares.map(async (share) => {
      const run = await openRun(share);
      for (const one of share) await work(run, one);
      await endOf(run);
    }),
  );
}

describe("when it is asked about", () => {
  it("a no lets nobody out, and what was not seen coming gets nowhere either", async () => {
    const unseen: string[] = [];
    await inRuns(programs, async (run, { program, target }) => {
      const command = program.command(target);
      const { told, request } = await calling(run, { command });
      if (request === undefined) unseen.push(program.name);
      else await clientOf(gateway).approvals.deny(request.request_id, {});
      const answer = await told;
      if (request) expect(answer, program.name).toMatchObject({ approval_rejected: true });
    });
    expect(hitsOf(programs)).toEqual([]);
    process.stdout.write(`unseen: ${unseen.join("\n")}\n`);
  });
});
