import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newId } from "../contract/ids.ts";
import { type CliIo, runCli } from "./cli.ts";

const runId = newId("run");
const token = "alk_test_0123456789abcdef";
const evil = "\x1b]0;owned\x07\x1b[2J\u202e";

let dir: string;
let server: Server | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-cli-"));
});

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  await rm(dir, { recursive: true });
});

function text(stream: Readable): () => string {
  let all = "";
  stream.on("data", (chunk) => {
    all += chunk;
  });
  return () => all;
}

interface World {
  stdin?: string;
  env?: Record<string, string>;
  tty?: boolean;
  stdout?: Writable;
  onSignal?: CliIo["onSignal"];
}

async function airlock(argv: string[], world: World = {}) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const [out, err] = [text(stdout), text(stderr)];
  const code = await runCli(argv, {
    stdin: Readable.from([world.stdin ?? ""]),
    stdout: world.stdout ?? Object.assign(stdout, { isTTY: world.tty === true }),
    stderr,
    env: { AIRLOCK_TOKEN: token, ...world.env },
    onSignal: world.onSignal ?? (() => () => undefined),
    exit: () => undefined,
  });
  return { code, out: out(), err: err() };
}

interface Asked {
  method: string;
  path: string;
  body: string;
  authorization: string | undefined;
}

const output = {
  id: newId("output"),
  path: "/workspace/out/report.csv",
  name: "workspace/out/report.csv",
  sha256: `sha256:${"0".repeat(64)}`,
  bytes: 4,
  contentType: "text/csv",
};

function history(status: string) {
  const reply = { type: "text", text: `I will look. ${evil}` };
  const call = { call_id: "c1", tool_call_id: "t1", tool: "sandbox_exec" };
  const calls = [{ ...call, arguments: { command: `cat ${evil}` } }];
  const stdout = `one\ntwo${evil}\n${"line\n".repeat(20)}`;
  const finished = { call_id: "c1", tool: "sandbox_exec", outcome: "returned", duration_ms: 1200 };
  return [
    ["run.submitted", { submission: { model: "scripted/demo", prompt: ["Look"] } }],
    ["run.started", { epoch: 1 }],
    ["turn.replied", { turn: 1, attempt: 1, parts: [reply], calls }],
    ["call.started", { call_id: "c1", tool: "sandbox_exec", turn: 1 }],
    ["call.finished", { ...finished, result: { ok: false, exit_code: 7, stdout, stderr: "" } }],
    ["outputs.captured", { partial: false, outputs: [output], missing: [] }],
    ["run.finished", { status, stop_reason: "end_turn", cleanup_status: "succeeded" }],
  ].map(([type, data], index) => ({
    runId,
    seq: index + 1,
    time: "2026-01-01",
    hash: "",
    type,
    data,
  }));
}

function runOf(status: string) {
  return {
    id: runId,
    status,
    stop_reason: status === "running" ? null : "end_turn",
    model: "scripted/demo",
    message: null,
    reply: status === "running" ? null : `Done ${evil}`,
    queue: null,
    turns: 1,
    calls: 1,
    usage: { totalTokens: 1234 },
    costUsd: 0.01234,
    lastSeq: status === "running" ? 0 : 7,
    submission: { prompt: [`Look ${evil}`] },
    createdAt: "2026-01-01T00:00:00.000Z",
    startedAt: "2026-01-01T00:00:00.000Z",
    finishedAt: status === "running" ? null : "2026-01-01T00:00:02.000Z",
  };
}

/** A gateway with one run that ends as it is told. */
async function gateway(status = "succeeded", liveFrames = "") {
  const asked: Asked[] = [];
  let ended = status;
  const opened = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const { method = "", headers } = request;
    const body = await bodyOf(request);
    asked.push({ method, path: pathname, body, authorization: headers.authorization });
    const json = (value: unknown, code = 200) =>
      response.writeHead(code).end(JSON.stringify(value));
    if (pathname === "/api/runs" && method === "POST") {
      ended = "running";
      return json({ run: runOf("running") }, 201);
    }
    if (pathname === "/api/runs") return json({ runs: [runOf(status), runOf(status)] });
    if (pathname === `/api/runs/${runId}`)
      return json(method === "DELETE" ? {} : { run: runOf(ended) });
    if (pathname.endsWith("/outputs")) return json({ outputs: [output] });
    if (pathname.endsWith(output.id)) return response.end("a,b\n");
    if (pathname.endsWith("/archive")) return response.end("PK zip");
    if (pathname.endsWith("/events")) {
      if (!headers.accept?.includes("event-stream")) return json({ events: history(status) });
      ended = status;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(liveFrames);
      if (status === "running") return;
      for (const event of history(status)) {
        response.write(
          `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
        );
      }
      return response.end();
    }
    json({ error: { code: "not_found", message: `No run ${evil}` } }, 404);
  });
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { asked, url };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

const submission = ["--model", "scripted/demo", "--prompt", "Look"];

describe("using the command line", () => {
  it("has help with an example for every command", async () => {
    const { out } = await airlock(["--help"]);
    const names = [...out.matchAll(/^ {2}([a-z][a-z-]*)\b.* {2,}/gm)].map(
      (match) => match[1] as string,
    );
    const commands = names.filter((name) => name !== "help");
    expect(commands.length).toBeGreaterThan(14);
    const nested = [
      ...["create", "list", "revoke"].map((name) => ["token", name]),
      ...["install", "list", "show", "export", "delete"].map((name) => ["agents", name]),
      ...["set", "list", "rotate", "delete", "rotate-key"].map((name) => ["secrets", name]),
    ];
    for (const command of [...commands.map((name) => [name]), ...nested]) {
      const help = await airlock([...command, "--help"]);
      expect(help.code).toBe(0);
      expect(help.out).toMatch(new RegExp(`Examples?:\\n {2}\\$ airlock ${command.join(" ")}`));
    }
  });

  it("ends with 2 when it is used wrongly, and says how", async () => {
    const agentFile = join(dir, "inline.json");
    await writeFile(agentFile, '{"instructions":"x","capabilities":[]}');
    const wrong: [string[], RegExp][] = [
      [["nope"], /Unknown command 'nope'/],
      [["status"], /Missing required argument 'id'/],
      [["status", runId, "--nope"], /Unknown option '--nope'/],
      [["wait", runId, "--timeout", "5min"], /Expected a duration/],
      [["list", "--status", "sleeping"], /There is no status "sleeping"/],
      [["run", "--agent", agentFile, "--prompt", "x"], /No model given/],
      [["run", "--model", "a/b"], /No prompt given/],
      [["run", "do it", "--prompt", "x"], /only one of a message, --prompt and --input/],
      [["run", "--agent", "a.b", "--input", "{nope"], /--input: expected JSON/],
      [["run", ...submission, "--limit", "speed=9"], /no limit "speed"/],
      [["run", ...submission, "--metadata", "x"], /--metadata: expected NAME=VALUE, got "x"/],
      [["run", ...submission, "--output-dir", "/etc"], /outputDirs\[0\]: must be below/],
      [["run", ...submission, "--api-key-env", "openai=NOPE"], /"NOPE" is not set/],
      [["serve", "--port", "70000"], /Expected a port/],
      [["serve", "--log-level", "loud"], /Allowed choices are/],
    ];
    for (const [argv, message] of wrong) {
      const { code, err, out } = await airlock(argv);
      expect(err).toMatch(message);
      expect([argv.join(" "), code, out]).toEqual([argv.join(" "), 2, ""]);
    }
  });

  it("tells errors as JSON when it answers in JSON", async () => {
    const { url } = await gateway();
    const { code, err, out } = await airlock(["status", newId("run"), "--json", "--url", url]);
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(JSON.parse(err).error).toMatchObject({ code: "not_found", status: 404 });
    expect(JSON.parse((await airlock(["--json", "nope"])).err).error.code).toBe("usage");
  });

  it("does not open the gateway to a network because of a variable", async () => {
    const { code, err } = await airlock(["serve"], { env: { AIRLOCK_HOST: "0.0.0.0" } });
    expect(code).toBe(2);
    expect(err).toContain("airlock serve --host 0.0.0.0");
  });
});

describe("finding the gateway", () => {
  it("says what to do when there is none", async () => {
    const { code, err } = await airlock(["list"], { env: { AIRLOCK_URL: "http://127.0.0.1:1" } });
    expect(code).toBe(1);
    expect(err).toMatch(/Cannot reach the gateway at http:\/\/127\.0\.0\.1:1: .*\n.*airlock serve/);
  });

  it("uses the token in the data directory of this machine", async () => {
    const { asked, url } = await gateway();
    await writeFile(join(dir, "admin-token"), "alk_from_the_file\n");
    const env = { AIRLOCK_TOKEN: "", AIRLOCK_URL: url };
    expect((await airlock(["list", "--data-dir", dir], { env })).code).toBe(0);
    expect((await airlock(["list"], { env: { ...env, AIRLOCK_DATA_DIR: dir } })).code).toBe(0);
    expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer alk_from_the_file"]),
    );
    const none = await airlock(["list", "--data-dir", join(dir, "none")], { env });
    expect(none.err).toMatch(/none at .*admin-token\n.*airlock serve/);
  });

  it("never sends this machine's admin token to another machine", async () => {
    await writeFile(join(dir, "admin-token"), "alk_from_the_file\n");
    const argv = ["list", "--data-dir", dir, "--url", "http://localhost.example.com:1"];
    const { code, err } = await airlock(argv, { env: { AIRLOCK_TOKEN: "" } });
    expect(code).toBe(2);
    expect(err).toContain("No token for http://localhost.example.com:1");
  });
});

describe("running", () => {
  it("prints the id, and nothing else, on stdout", async () => {
    const { asked, url } = await gateway();
    const { code, out } = await airlock(["run", ...submission, "--url", url]);
    expect([code, out]).toEqual([0, `${runId}\n`]);
    expect(JSON.parse(asked[0]?.body ?? "")).toMatchObject({
      model: "scripted/demo",
      prompt: "Look",
    });
  });

  it("gives a message or an input to an agent of the gateway, or to its lead agent", async () => {
    const { asked, url } = await gateway();
    await writeFile(join(dir, "input.json"), '{"count": 7}');
    const sent = async (...argv: string[]) => {
      const { code, err } = await airlock(["run", ...argv, "--url", url]);
      expect([code, err]).toEqual([0, ""]);
      const body = asked.findLast(({ method }) => method === "POST")?.body ?? "{}";
      const { idempotencyKey: _, ...rest } = JSON.parse(body);
      return rest;
    };
    expect(await sent("Do it")).toEqual({ message: "Do it" });
    expect(await sent("--agent", "a.b", "Do it")).toEqual({ agent: "a.b", message: "Do it" });
    const file = `@${join(dir, "input.json")}`;
    expect(await sent("--agent", "a.b", "--input", file)).toEqual({
      ...{ agent: "a.b", input: { count: 7 } },
    });
    await writeFile(join(dir, "run.json"), JSON.stringify({ agent: "a.b", prompt: "Before" }));
    expect(await sent("--config", join(dir, "run.json"), "Now")).toEqual({
      ...{ agent: "a.b", message: "Now" },
    });
  });

  it("sends what flags, files, stdin and a configuration say together", async () => {
    const { asked, url } = await gateway();
    await writeFile(join(dir, "system.md"), "Be brief");
    await writeFile(join(dir, "data.csv"), "1,2\n");
    await writeFile(join(dir, "agent.json"), '{"instructions":"x","capabilities":[]}');
    const files = [{ path: "in/data.csv", from: "data.csv" }];
    const config = { model: "a/b", limits: { turns: 3 }, metadata: { team: "x" }, files };
    await writeFile(join(dir, "run.json"), JSON.stringify(config));
    const argv = ["run", "--config", join(dir, "run.json"), "--model", "c/d", "--url", url];
    argv.push("--prompt", "@@home", "--prompt", "second", "--system", `@${join(dir, "system.md")}`);
    argv.push("--agent", join(dir, "agent.json"), "--limit", "callSeconds=1.5");
    argv.push("--metadata", "k=v=w", "--output-dir", "/workspace/out", "--idempotency-key", "key");
    argv.push(
      "--openai-api-key",
      "-",
      "--api-key-env",
      "mistral=MY_KEY",
      "--fallback-model",
      "e/f",
    );
    const env = { MY_KEY: "from-the-environment" };
    const { code, err } = await airlock(argv, { stdin: "from-stdin\n", env });
    expect([code, err]).toEqual([0, ""]);
    const json = /\r\n\r\n(\{.*\})\r\n/.exec(asked[0]?.body ?? "")?.[1] ?? "{}";
    expect(JSON.parse(json)).toEqual({
      model: "c/d",
      fallbackModel: "e/f",
      prompt: ["@home", "second"],
      system: "Be brief",
      agent: { instructions: "x", capabilities: [] },
      limits: { turns: 3, callSeconds: 1.5 },
      metadata: { team: "x", k: "v=w" },
      outputDirs: ["/workspace/out"],
      idempotencyKey: "key",
      secrets: {
        mistral: { apiKey: "from-the-environment" },
        openai: { apiKey: "from-stdin" },
      },
      files: [{ path: "in/data.csv", slot: "f0" }],
    });
    expect(asked[0]?.body).toContain("1,2\n");
  });

  it("does not quote a broken configuration, which may hold keys", async () => {
    await writeFile(join(dir, "run.json"), '{"secrets": sk-very-secret}');
    const { code, err } = await airlock(["run", "--config", join(dir, "run.json")]);
    expect(code).toBe(2);
    expect(err).toContain("is not JSON");
    expect(err).not.toContain("sk-very");
  });

  it("shows a followed run without letting it touch the terminal, and ends with its fate", async () => {
    for (const [status, exitCode] of [
      ["succeeded", 0],
      ["failed", 1],
    ] as const) {
      const { url } = await gateway(status);
      const { code, out, err } = await airlock(["run", ...submission, "--follow", "--url", url]);
      expect(code).toBe(exitCode);
      expect(out).toContain("I will look. \\x1b]0;owned\\x07\\x1b[2J\\u202e\n");
      expect(out).toMatch(/▸ sandbox_exec {2}cat \\x1b/);
      expect(out).toMatch(/│ one\n {2}│ two\\x1b.*\n(?: {2}│ line\n){6} {2}│ … 14 more lines\n/);
      expect(out).toContain("  ✗ exit 7 1.2 s\n");
      expect(out).toContain(`${status} (end_turn)\n`);
      expect(err).toContain(`airlock download ${runId}`);
      expect(out + err).not.toMatch(/[\x1b\x07\u202e]/);
      server?.closeAllConnections();
      server?.close();
    }
  });

  it("shows live text and output once to a person, and starts over when the model does", async () => {
    const live = [
      ["model.delta", { turn: 1, attempt: 1, offset: 0, text: "Wrong" }],
      ["model.reset", { turn: 1, attempt: 1, reason: "overloaded" }],
      ["model.delta", { turn: 1, attempt: 2, offset: 0, text: "I will " }],
      ["model.delta", { turn: 1, attempt: 2, offset: 7, text: "look. " }],
      ["call.output", { call_id: "c1", stream: "stdout", offset: 0, text: `half${evil}` }],
      ["call.output", { call_id: "c1", stream: "stdout", offset: 4, text: " whole\nrest" }],
    ].map(([type, data]) => `event: ${type}\ndata: ${JSON.stringify({ type, data })}\n\n`);
    const { url } = await gateway("succeeded", live.join(""));
    const argv = ["run", ...submission, "--follow", "--url", url];
    const { out } = await airlock(argv, { tty: true, env: { NO_COLOR: "1" } });
    expect(out.startsWith("Wrong\n(the answer broke off: overloaded)\nI will look. ")).toBe(true);
    expect(out.match(/I will look/g)).toHaveLength(1);
    expect(out).toContain("  │ half\\x1b]0;owned\\x07\\x1b[2J\\u202e whole\n");
    expect(out).toContain("  │ rest\n");
    expect(out).not.toContain("│ one");
    expect(out).not.toContain("\x1b");
    const colored = await airlock(argv, { tty: true });
    expect(colored.out).toContain("\x1b[");
    expect(colored.out).not.toContain("\x1b]");
  });

  it("follows as NDJSON: every event once, then the run", async () => {
    const { url } = await gateway("failed");
    const argv = ["run", ...submission, "--follow", "--json", "--url", url];
    const { code, out } = await airlock(argv, { tty: true });
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, -1).map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(lines.at(-1).run.status).toBe("failed");
    expect(out).not.toMatch(/[\x1b\u202e]/);
    expect(code).toBe(1);
  });

  it("ends with 3 at its deadline, and says that the run goes on", async () => {
    const { url } = await gateway("running");
    for (const argv of [
      ["run", ...submission],
      ["wait", runId],
    ]) {
      const timed = await airlock([...argv, "--timeout", "100ms", "--url", url]);
      expect(timed.code).toBe(3);
      expect(timed.err).toContain(`Run ${runId} is still running after 100 ms`);
      expect(timed.err).toContain(`airlock wait ${runId}`);
    }
  });

  it("stops watching at Ctrl-C without touching the run", async () => {
    const { asked, url } = await gateway("running");
    const onSignal: CliIo["onSignal"] = (listener) => {
      setImmediate(() => listener("SIGINT"));
      return () => undefined;
    };
    const { code, err } = await airlock(["wait", runId, "--url", url], { onSignal });
    expect(code).toBe(130);
    expect(err).toContain("the run goes on");
    expect(asked.filter(({ method }) => method !== "GET")).toEqual([]);
  });

  it("saves everything when it is asked to", async () => {
    const { url } = await gateway();
    const to = join(dir, "result.zip");
    const { code } = await airlock(["run", ...submission, "--download", to, "--url", url]);
    expect(code).toBe(0);
    expect(await readFile(to, "utf8")).toBe("PK zip");
  });
});

describe("looking at runs", () => {
  it("prints lists, events and transcripts as text or NDJSON, always safe to look at", async () => {
    const { url } = await gateway();
    const commands = [
      ["list"],
      ["events", runId],
      ["show", runId],
      ["status", runId],
      ["outputs", runId],
    ];
    for (const command of commands) {
      const people = await airlock([...command, "--url", url]);
      const programs = await airlock([...command, "--json", "--url", url], { tty: true });
      expect([people.code, programs.code]).toEqual([0, 0]);
      expect(people.out + programs.out).not.toMatch(/[\x1b\x07\u202e]/);
      for (const line of programs.out.trim().split("\n"))
        expect(JSON.parse(line)).toBeTypeOf("object");
    }
    expect((await airlock(["show", runId, "--turns", "--url", url])).out).not.toContain("▸");
    const { out } = await airlock(["status", runId, "--url", url]);
    expect(out).toMatch(/1 turn · 1 call · 1,?234 tokens · \$0\.0123 · 2/);
    expect((await airlock(["list", "--limit", "1", "--url", url])).out.split("\n")).toHaveLength(2);
    expect(
      (await airlock(["events", runId, "--follow", "--url", url])).out.split("\n"),
    ).toHaveLength(8);
  });

  it("downloads one output, and never over a file that was not named", async () => {
    const { url } = await gateway();
    const to = join(dir, "mine.csv");
    for (const which of [output.id, output.path, "report.csv"]) {
      const argv = ["download", runId, "--output", which, "--out", to, "--url", url];
      expect(await airlock(argv)).toMatchObject({ code: 0, out: `${to}  4 B\n` });
      expect(await readFile(to, "utf8")).toBe("a,b\n");
    }
    const before = process.cwd();
    process.chdir(dir);
    try {
      await writeFile("report.csv", "precious");
      const { code, err } = await airlock([
        "download",
        runId,
        "--output",
        "report.csv",
        "--url",
        url,
      ]);
      expect(code).toBe(1);
      expect(err).toContain("already a file report.csv");
      expect(await readFile("report.csv", "utf8")).toBe("precious");
      expect((await airlock(["download", runId, "--url", url])).code).toBe(0);
      expect(await readdir(".")).toContain(`airlock-${runId}.zip`);
    } finally {
      process.chdir(before);
    }
  });

  it("takes a reader that left for an end, and a full disk for an error", async () => {
    const { url } = await gateway();
    const failing = (code: string) =>
      new Writable({
        write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })),
      });
    for (const argv of [
      ["list", "--url", url],
      ["version"],
      ["events", runId, "--follow", "--url", url],
    ]) {
      expect(await airlock(argv, { stdout: failing("EPIPE") })).toMatchObject({ code: 0, err: "" });
      const full = await airlock(argv, { stdout: failing("ENOSPC") });
      expect(full.code).toBe(1);
      expect(full.err).toContain("Cannot write to stdout: ENOSPC");
    }
  });
});
