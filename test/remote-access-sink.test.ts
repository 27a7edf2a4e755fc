/**
 * The corpus of code that reaches out (F01 to F08), really run: with hosts of ours that count who comes. Without a yes of
 * a person nobody comes, whatever the code does and whether or not analysis saw it coming; with one, only to the host that
 * was shown.
 *
 * Each program knocks at a port of its own, so that what was reached says which program it was. The same programs are
 * run where the host that they knock at is inside: there they do arrive, or zero would mean nothing.
 */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunEvent } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { questionsOf } from "./support/questions-of.ts";
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

/** A Node that is young enough goes by the proxy of its environment with `fetch` and `http`. */
const mayKnowProxies = ({ name }: SinkProgram) => /^F04|node in a word/.test(name);

const hitsOf = (placed: readonly Placed[]) =>
  placed.filter(({ hits }) => hits() > 0).map(({ program }) => program.name);

const bytesOf = (data: string | Uint8Array) =>
  typeof data === "string" ? Buffer.from(data) : data;
const runnerPath = "/workspace/run.py";
const listPath = "/workspace/list.json";
const otherPath = "/workspace/other.json";

/** What nobody can see by reading the call and its files: a file of data, code of a layer, what a tool finds by itself. */
const expectedUnseen = new Set([
  "F03 pickle of a file",
  "F03 a function that is fetched by a function",
  "F03 a manager of a context",
  ...["F05 by name", "F05 IPv6"],
  ...["F07 sitecustomize", "F07 a .pth file", "F07 a module of a layer", "F07 a hook of git"],
  ...["F07 tests that are found by themselves", "F07 postinstall", "F07 a recipe of make"],
  "F07 a package of node_modules",
]);

/** The files of a run that has these programs, and a list of them for the runner. */
function filesOf(placed: readonly Placed[]) {
  const list = placed.map(({ id, program, target }) => {
    const { address, port, abstract, dir } = target;
    const command = program.command(target);
    // What hangs in the corpus waits for an answer that it will not get.
    const seconds = id.startsWith("corpus") ? 4 : 20;
    return [id, { address, port, abstract, dir, command, seconds }] as const;
  });
  // What the same programs would be at another address: hidden from whoever reads the command.
  const elsewhere = placed.flatMap(({ id, program, target }) => {
    if (!program.proxied || target.address !== opened) return [];
    const url = target.url.replace(opened, another);
    const other = { ...target, url, address: another, dir: `/tmp/other/${id}` };
    const files = Object.entries(program.files(other)).map(([path, data]) => {
      return [path, Buffer.from(data).toString("base64")] as const;
    });
    const one = { ...other, command: program.command(other), files: Object.fromEntries(files) };
    return [[id, one] as const];
  });
  const files = placed.flatMap(({ id, program, target }) =>
    Object.entries(program.files(target)).map(([path, data]) => ({
      ...{ path: `p/${id}/${path}`, executable: true, bytes: bytesOf(data) },
    })),
  );
  return [
    { path: "run.py", content: runnerSource },
    { path: "list.json", bytes: bytesOf(JSON.stringify(Object.fromEntries(list))) },
    { path: "other.json", bytes: bytesOf(JSON.stringify(Object.fromEntries(elsewhere))) },
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

async function endOf(run: DirectedRun): Promise<RunEvent[]> {
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  const history = await historyOf(gateway, run.id);
  expect(defectsOf(run.id, history)).toEqual([]);
  return history;
}

describe("without a yes", { timeout: 180_000 }, () => {
  it("whoever comes is counted: by TCP, by datagram, by IPv6 and by an abstract socket", async () => {
    for (const address of Object.values(addresses)) {
      const sink = await openSink(address);
      const socket = connect(sink.port, address);
      await once(socket, "connect");
      socket.destroy();
      const datagrams = createSocket(address.includes(":") ? "udp6" : "udp4");
      datagrams.send("x", sink.port, address);
      await expect.poll(() => sink.hits().sort()).toEqual(["connection", "datagram"]);
      datagrams.close();
      sink.close();
    }
    const unix = await listenUnix(newAbstractName());
    await unix.touch();
    expect(unix.hits()).toBe(1);
    await unix.close();
  });

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

type Asked = ReturnType<typeof questionsOf>["call"];

/** Several runs at once, a share of the programs each. Resolves with what they wrote down. */
async function inRuns(
  placed: readonly Placed[],
  work: (call: Asked, one: Placed) => Promise<void>,
): Promise<RunEvent[]> {
  const shares = [0, 1, 2, 3].map((share) => placed.filter((_, index) => index % 4 === share));
  const histories = shares.map(async (share) => {
    const run = await openRun(share);
    const { call } = questionsOf(run);
    for (const [index, one] of share.entries()) {
      await work(call, one);
      // A run whose calls all fail would be ended.
      if (index % 8 === 7) await run.call("sandbox_exec", { command: "true" });
    }
    return endOf(run);
  });
  return (await Promise.all(histories)).flat();
}

describe("when it is asked about", { timeout: 180_000 }, () => {
  it("a no lets nobody out, and what was not seen coming gets nowhere either", async () => {
    const unseen: string[] = [];
    const before = hitsOf(programs).length;
    const denied = programs.filter(({ program }, index) => !program.proxied || index % 3 === 0);
    const history = await inRuns(denied, async (call, { program, target }) => {
      const { told, request } = await call({ command: program.command(target) });
      if (request === undefined) return void unseen.push(program.name);
      await clientOf(gateway).approvals.deny(request.request_id, {});
      expect(await told, program.name).toMatchObject({ approval_rejected: true });
    });
    expect(before).toBe(0);
    expect(hitsOf(programs)).toEqual([]);
    expect(history.filter(({ type }) => type.startsWith("egress."))).toEqual([]);
    expect(unseen.filter((name) => !expectedUnseen.has(name))).toEqual([]);
    process.stdout.write(
      `sink: ${denied.length - unseen.length} denied, ${unseen.length} not seen coming, 0 arrive\n`,
    );
  });

  it("a yes lets out what was shown, to the host that was shown, and nowhere else", async () => {
    const approved = programs.filter(
      ({ program, target }, index) =>
        target.address === opened &&
        // These would be shown, and let out to, the hosts that packages come from.
        !program.needs.some((tool) => tool === "pip" || tool === "npm") &&
        (program.proxied || (index % 6 === 0 && !mayKnowProxies(program))),
    );
    const arrived = new Set<string>();
    const history = await inRuns(approved, async (call, one) => {
      const { id, program, target, sink } = one;
      const before = one.hits();
      const there = `python3 ${runnerPath} plain ${otherPath} ${id}`;
      const { told, request } = await call({ command: `${program.command(target)}\n${there}` });
      if (request === undefined) throw new Error(`Nobody was asked about ${program.name}`);
      const shown = request.hosts.filter((host) => host !== sink?.host);
      expect(shown, program.name).toEqual([]);
      await clientOf(gateway).approvals.approve(request.request_id, {});
      expect(await told, program.name).toMatchObject({ duration_ms: expect.any(Number) });
      const hits = one.hits() - before;
      expect(hits > 0, program.name).toBe(program.proxied && request.hosts.length > 0);
      if (hits > 0) arrived.add(id);
    });
    const elsewhere = [...others].filter(([, sink]) => sink.hits().length > 0);
    expect(elsewhere.map(([id]) => id)).toEqual([]);
    expect(hitsOf(programs.filter(({ id }) => !arrived.has(id)))).toEqual([]);
    const refused = history.filter((event) => isEvent(event, "egress.denied"));
    expect(new Set(refused.map(({ data }) => data.host))).toEqual(new Set([another]));
    process.stdout.write(
      `sink: ${approved.length} approved, ${arrived.size} arrive at the host that was shown, 0 elsewhere, ${refused.length} refused there\n`,
    );
  });
});

describe("with NetworkAccess", { timeout: 180_000 }, () => {
  it("the same programs arrive at that host and at no other, if they go by the proxy", async () => {
    const before = new Map(programs.map((one) => [one.id, one.hits()]));
    const hosts = programs.flatMap(({ sink }) => sink?.host ?? []);
    const run = await openRun(programs, [{ type: "NetworkAccess", hosts }]);
    const command = `python3 ${runnerPath} plain ${listPath}`;
    const { told, request } = await questionsOf(run).call({ command });
    // That the runner hides what it does is asked about; what it reaches is granted.
    expect(request?.hosts).toEqual([]);
    await clientOf(gateway).approvals.approve(request?.request_id ?? "", {});
    expect(await told).toMatchObject({ ok: true });
    const arrived = programs.filter(({ id, hits }) => hits() > (before.get(id) ?? 0));
    const missing = programs.filter((one) => one.program.proxied && !arrived.includes(one));
    expect(missing.map(({ program }) => program.name)).toEqual([]);
    const stray = arrived.filter(
      ({ target, program }) =>
        target.address !== opened || (!program.proxied && !mayKnowProxies(program)),
    );
    expect(stray.map(({ program }) => program.name)).toEqual([]);
    await endOf(run);
    process.stdout.write(`sink: ${arrived.length} arrive with NetworkAccess\n`);
  });
});
