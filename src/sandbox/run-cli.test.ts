import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openRoom, type Room, runUid, testLimits } from "./room.testing.ts";
import { bareSurroundings, egressSocketName, type Place, type Surroundings } from "./sandbox.ts";

const token = `airlock_run_${randomBytes(12).toString("hex")}`;
const endpoint = {
  ...{ name: "tickets", baseUrl: "https://tickets.example", authShape: { type: "bearer" } },
  ...{ allowMethods: ["GET", "POST"], allowPathPrefixes: ["/v1/", "/search"] },
  ...{ allowHeaders: ["x-trace"], responseMode: "full", maxRequestBytes: 65_536 },
  ...{ maxResponseBytes: 1_048_576, timeoutMs: 10_000, perCallBudget: 60 },
  responseByteBudget: 2_097_152,
};
const manifest = (runId: string, endpoints: unknown[]) => ({
  ...{ protocolVersion: "1", runId, endpoints },
  proxyBaseUrl: endpoints.length === 0 ? null : `http://127.0.0.1:3128/api/runs/${runId}/proxy`,
});
const file = (name: string, value: unknown) => ({
  name,
  data: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
});
const whole = [
  file("index.json", manifest("run_cli", [endpoint])),
  file("run-token", `${token}\n`),
];

interface Heard {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

let room: Room;
let place: Place;
let server: Server;
let network: Surroundings["network"];
let heard: Heard[] = [];
let answer: (answer: ServerResponse, asked: Heard) => void;

/** What the gateway says to a call that reached its upstream, with the caller's own body as the upstream's. */
const echo: typeof answer = (response, { body }) => {
  const envelope = {
    ...{ endpointName: "tickets", upstreamStatus: 200, upstreamHeaders: {} },
    upstreamBodyBase64: body.toString("base64"),
    ...{ effectiveResponseMode: "full", modeClamped: false },
    ...{ remainingCalls: 59, remainingResponseBytes: 1000 },
  };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(envelope));
};

beforeAll(async () => {
  room = await openRoom();
  place = await room.sandbox.provision({
    ...{ runId: "run_cli", uid: runUid, outputDirs: [], files: [], own: whole },
  });
  const directory = room.sandbox.networkDirectory(place);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url = "", headers } = request;
    const asked = { method, url, headers, body: Buffer.concat(chunks) };
    heard.push(asked);
    answer(response, asked);
  });
  server.listen({ path: join(directory, egressSocketName), writableAll: true });
  await once(server, "listening");
  network = {
    ...{ directory, configuration: room.sandbox.stageConfiguration([]) },
    ...{ directories: [], links: [], environment: {} },
  };
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await room.close();
});
beforeEach(() => {
  heard = [];
  answer = echo;
});

async function run(command: string, more: Partial<Surroundings> = {}, of = place) {
  const surroundings = { ...bareSurroundings, network, ...more };
  const signal = new AbortController().signal;
  const request = { command, surroundings, limits: { ...testLimits, memoryBytes: 1e9 }, signal };
  const { end, stdout, stderr } = await room.sandbox.exec(of, request);
  const exitCode = end.type === "exited" ? end.exitCode : end.reason;
  return { exitCode, stdout: stdout.kept, stderr: stderr.kept.toString() };
}

describe("a call", () => {
  test("says the protocol, the token and nothing that the caller did not", async () => {
    const said = await run(
      `/airlock/airlock proxy tickets --method post --path '/v1/a%20b' --query '{"q":"ü","n":1}' \
        --header X-Trace=a=b --header Accept=text/plain --data 'grüße' --response-mode full`,
    );
    expect(said).toMatchObject({ exitCode: 0, stderr: "" });
    const [asked] = heard;
    expect(asked?.method).toBe("POST");
    expect(asked?.url).toBe("/api/runs/run_cli/proxy/tickets");
    expect(asked?.body.toString()).toBe("grüße");
    expect(asked?.headers).toEqual({
      ...{ authorization: `Bearer ${token}`, host: "127.0.0.1:3128", connection: "close" },
      ...{ "x-airlock-proxy-protocol": "1", "x-airlock-method": "POST" },
      ...{ "x-airlock-path": "/v1/a%20b", "x-airlock-response-mode": "full" },
      "x-airlock-query": '{"q":"\\u00fc","n":1}',
      "x-airlock-headers": '{"x-trace":"a=b","accept":"text/plain"}',
      "content-length": "7",
    });
    expect(JSON.parse(said.stdout.toString())).toMatchObject({ upstreamStatus: 200 });
  });

  test("is a GET of / unless it says more, under either name", async () => {
    expect((await run("/antpath/antpath proxy tickets")).exitCode).toBe(0);
    const [asked] = heard;
    expect(asked?.headers["x-airlock-method"]).toBe("GET");
    expect(asked?.headers["x-airlock-path"]).toBe("/");
    expect(asked?.headers).not.toHaveProperty("x-airlock-query");
    expect(asked?.body.length).toBe(0);
  });

  test("carries every byte of a file and of standard input, there and back", async () => {
    const bytes = Buffer.concat([Buffer.from([...Array(256).keys()]), randomBytes(300_000)]);
    writeFileSync(join(place.tmp, "bytes"), bytes, { mode: 0o644 });
    const digest = createHash("sha256").update(bytes).digest("hex");
    const said = await run(
      `/airlock/airlock proxy tickets --data @bytes --output back >rest && sha256sum <back &&
       /airlock/airlock proxy tickets --data - --output - <bytes 2>/dev/null | sha256sum && cat rest`,
    );
    expect(said.stderr).toBe("");
    const [file, piped, rest = ""] = said.stdout.toString().split("\n");
    expect([file, piped]).toEqual([`${digest}  -`, `${digest}  -`]);
    expect(JSON.parse(rest)).toMatchObject({ upstreamStatus: 200, remainingCalls: 59 });
    expect(rest).not.toContain("Base64");
    expect(heard.map(({ body }) => body.equals(bytes))).toEqual([true, true]);
  });

  test("takes a body that begins with @ as text when the @ is doubled", async () => {
    await run("/airlock/airlock proxy tickets --data @@home");
    expect(heard.map(({ body }) => body.toString())).toEqual(["@home"]);
  });
});

describe("an end that is none of the upstream's", () => {
  const ends = async (command: string, of = place, more: Partial<Surroundings> = {}) => {
    const { exitCode, stdout, stderr } = await run(command, more, of);
    expect(stdout.toString()).toBe("");
    return { exitCode, said: JSON.parse(stderr) };
  };

  test("passes the gateway's refusal through", async () => {
    const refusal = { error: "budget_exceeded", message: "None left", endpointName: "tickets" };
    answer = (response) => response.writeHead(429).end(JSON.stringify(refusal));
    expect(await ends("/airlock/airlock proxy tickets")).toEqual({ exitCode: 1, said: refusal });
  });

  test("quotes the beginning of an answer that is no JSON, and follows no redirect", async () => {
    answer = (response) =>
      response
        .writeHead(307, { location: "http://127.0.0.1:3128/elsewhere" })
        .end(`<html>${"x".repeat(500)}`);
    const { exitCode, said } = await ends("/airlock/airlock proxy tickets");
    expect(exitCode).toBe(1);
    expect(said).toMatchObject({ error: "internal_error", status: 307 });
    expect(said.message).toBe(
      `The gateway answered 307 and no JSON object: <html>${"x".repeat(194)}`,
    );
    expect(heard.map(({ url }) => url)).toEqual(["/api/runs/run_cli/proxy/tickets"]);
  });

  test("says when the answer breaks off", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-length": "1000" }).write('{"endpointName":');
      response.once("drain", () => response.destroy());
      setImmediate(() => response.destroy());
    };
    const { exitCode, said } = await ends("/airlock/airlock proxy tickets");
    expect(exitCode).toBe(1);
    expect(said.error).toBe("internal_error");
    expect(said.message).toMatch(/broke off|Cannot reach the gateway/);
  });

  test("refuses wrong usage before it looks at anything else", async () => {
    const bare = await room.sandbox.provision({
      ...{ runId: "run_bare", uid: runUid, outputDirs: [], files: [], own: [] },
    });
    for (const [words, message] of [
      ["", "Expected a command"],
      ["run", 'no command "run" inside a run'],
      ["status run_x", 'no command "status" inside a run'],
      ["outputs", "Expected outputs sync <dir>"],
      ["outputs list", 'Unexpected "list"'],
      ["outputs sync", "Expected the directories to look at"],
      ["outputs sync /tmp --method GET", "--method is not for outputs"],
      ["outputs sync /tmp", "works inside a run only"],
      ["proxy", "Expected the name of an endpoint"],
      ["proxy ../x", "cannot be the name of an endpoint"],
      ["proxy tickets more", 'Unexpected "more"'],
      ["proxy tickets --nothing", "Unknown option '--nothing'"],
      ["proxy tickets --header =x", "expected NAME=VALUE"],
      ["proxy tickets --header a=1 --header A=2", "was given twice"],
      ["proxy tickets --path /a --path /b", "--path was given twice"],
      ["proxy tickets --path '/a b'", "percent-encoded"],
      ["proxy tickets --query '[1]'", "expected a JSON object"],
      ["proxy tickets --method TRACE", "--method: expected one of"],
      ["proxy tickets --response-mode json", "--response-mode: expected one of"],
      ["proxy tickets --data @nowhere", "cannot read"],
      ["proxy tickets --data @/tmp", "it is a directory"],
    ]) {
      const { exitCode, said } = await ends(`/airlock/airlock ${words}`, bare);
      expect([words, exitCode, said.error]).toEqual([words, 2, "usage"]);
      expect(said.message).toContain(message);
    }
  });

  test("tells what is missing in the order in which it is needed", async () => {
    const cases: [string, ReturnType<typeof file>[], string][] = [
      ["run_no_manifest", [], "internal_error"],
      ["run_no_endpoint", [file("index.json", manifest("run_b", []))], "endpoint_not_found"],
      ["run_no_token", whole.slice(0, 1), "unauthorized"],
      ["run_empty_token", [...whole.slice(0, 1), file("run-token", "\n")], "unauthorized"],
    ];
    for (const [runId, own, error] of cases) {
      const other = await room.sandbox.provision({
        ...{ runId, uid: runUid, outputDirs: [], files: [], own },
      });
      const found = await ends("/airlock/airlock proxy tickets", other);
      expect([runId, found.exitCode, found.said.error]).toEqual([runId, 1, error]);
    }
    expect(heard).toEqual([]);
  });

  test("says that there is no way out where there is none", async () => {
    const { exitCode, said } = await ends("/airlock/airlock proxy tickets", place, {
      network: null,
    });
    expect(exitCode).toBe(1);
    expect(said.message).toContain("this command was started without a network");
  });
});

describe("outputs sync", () => {
  const lines = (said: Buffer | string) =>
    `${said}`
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));

  test("names every file of a directory in the order of their names, and follows no link", async () => {
    const said = await run(
      `mkdir -p /workspace/out/b/deep /workspace/out/a && cd /workspace/out && printf 12345 >b/deep/five &&
       printf 1 >a/one && : >z && printf x >"$(printf 'b/new\\nline')" && ln -s /etc l && ln -s z lz &&
       mkfifo pipe && /airlock/airlock outputs sync /workspace/out/ /workspace/out/b//`,
      { network: null },
    );
    expect(said).toMatchObject({ exitCode: 0, stderr: "" });
    const found = lines(said.stdout);
    const below = (dir: string) => found.filter((line) => line.dir === dir);
    expect(below("/workspace/out/").map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ["/workspace/out/a/one", 1],
      ["/workspace/out/b/deep/five", 5],
      ["/workspace/out/b/new\nline", 1],
      ["/workspace/out/z", 0],
    ]);
    expect(below("/workspace/out/b//").map(({ path }) => path)).toEqual([
      "/workspace/out/b/deep/five",
      "/workspace/out/b/new\nline",
    ]);
    expect(found.at(-1)).toEqual({ summary: { dirs: 2, files: 6, missing: 0 } });
  });

  test("tells what it cannot look at, goes on, and ends well", async () => {
    const said = await run(
      `mkdir -p /workspace/good /workspace/shut/in && printf 1 >/workspace/good/one && chmod 0 /workspace/shut/in &&
       /airlock/airlock outputs sync relative/path /workspace/none /workspace/good/one /workspace/shut /workspace/good
       chmod 700 /workspace/shut/in`,
      { network: null },
    );
    expect(said.exitCode).toBe(0);
    expect(lines(said.stderr).map(({ dir, error }) => [dir, error])).toEqual([
      ["relative/path", "non_absolute_path"],
      ["/workspace/none", "missing_or_unreadable"],
      ["/workspace/good/one", "missing_or_unreadable"],
      ["/workspace/shut", "walk_failed"],
    ]);
    expect(lines(said.stdout)).toEqual([
      { dir: "/workspace/good", path: "/workspace/good/one", sizeBytes: 1 },
      { summary: { dirs: 5, files: 1, missing: 4 } },
    ]);
  });

  test("comes to its end in a tree of any depth, and stops when nobody reads", async () => {
    const said = await run(
      `cd /workspace && mkdir deep && cd deep && i=0; while [ $i -lt 300 ]; do mkdir d && cd d && i=$((i+1)); done
       printf x >end; /airlock/airlock outputs sync /workspace/deep | tail -n 1
       mkdir /workspace/many && cd /workspace/many && seq 2000 | xargs touch
       /airlock/airlock outputs sync /workspace/many | head -n 1 | wc -l`,
      { network: null },
    );
    expect(said.stderr).toBe("");
    const [summary = "", first] = said.stdout.toString().trim().split("\n");
    expect(JSON.parse(summary).summary).toMatchObject({ files: 1, missing: 0 });
    expect(first?.trim()).toBe("1");
  });
});

test("what is staged reads no variable, and names its two files and no command of a host", () => {
  const read = (name: string) =>
    readFileSync(new URL(`../../runtime/${name}`, import.meta.url), "utf8");
  const programs = `${read("cli.mjs")}${read("files-below.mjs")}`;
  expect(programs).not.toMatch(/process\.env|\benv\b\s*[[.]/);
  for (const path of ["/airlock/index.json", "/airlock/run-token"]) {
    expect(programs).toContain(`"${path}"`);
  }
  expect(read("airlock")).toContain("env -i /airlock/bin/node");
});

test("the help is the usage and every endpoint's policy, and costs no call", async () => {
  for (const words of ["--help", "proxy --help", "proxy tickets --path /x --help"]) {
    const said = await run(`/airlock/airlock ${words}`, { network: null });
    expect(said).toMatchObject({ exitCode: 0, stderr: "" });
    for (const part of [
      "Usage: /airlock/airlock proxy <endpoint>",
      "/airlock/airlock outputs sync <dir>…",
      "  tickets\n",
      "bearer, added by the gateway",
      "GET, POST",
      "/v1/, /search",
      "accept, content-type, x-trace",
      "at most 1048576 bytes, in 10000 ms",
      "60 calls, 2097152 bytes",
    ]) {
      expect(said.stdout.toString()).toContain(part);
    }
  }
  expect(heard).toEqual([]);
});

test("no variable, file or preload of a hostile parent redirects the token or reads it", async () => {
  writeFileSync(join(place.tmp, "evil.cjs"), "console.log('evil ran', process.argv)");
  const listener = `require("node:net").createServer((socket) => {
    socket.on("data", (data) => {
      require("node:fs").appendFileSync("/tmp/stolen", data);
      socket.end("HTTP/1.1 204 No Content\\r\\n\\r\\n");
    });
    socket.on("error", () => undefined);
  }).listen(4444, "127.0.0.1", () => console.log("up"));`;
  writeFileSync(join(place.tmp, "thief.cjs"), listener);
  const proxy = "http://127.0.0.1:4444";
  const variables = [
    ...["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"].map((name) => `${name}=${proxy}`),
    ...["NODE_USE_ENV_PROXY=1", "NO_PROXY=", "no_proxy="],
    ...["AIRLOCK_URL", "ANTPATH_BASE_URL", "AIRLOCK_PROXY_BASE_URL"].map((n) => `${n}=${proxy}`),
    ...["'NODE_OPTIONS=--require /tmp/evil.cjs'", "NODE_PATH=/tmp", "NODE_DEBUG=http,net"],
    ...["BASH_ENV=/tmp/evil.sh", "ENV=/tmp/evil.sh", "PATH=/tmp", "HOME=/tmp", "IFS=/"],
    ...["NODE_REPL_EXTERNAL_MODULE=/tmp/evil.cjs", "NODE_EXTRA_CA_CERTS=/tmp/evil.cjs"],
  ];
  writeFileSync(join(place.tmp, "evil.sh"), "echo evil ran\n");
  writeFileSync(join(place.tmp, "node"), "#!/bin/sh\necho evil ran\n", { mode: 0o755 });
  const said = await run(
    `node thief.cjs >up & while [ ! -s up ]; do sleep 0.05; done
     env ${variables.join(" ")} /airlock/airlock proxy tickets --data kept
     cat stolen 2>/dev/null; curl -s -m 5 -x ${proxy} http://control.test/ ; cat stolen | head -n 1`,
  );
  const [envelope = "", control] = said.stdout.toString().split("\n");
  expect(JSON.parse(envelope)).toMatchObject({ upstreamStatus: 200 });
  expect(said.stdout.toString()).not.toContain("evil ran");
  expect(said.stdout.toString()).not.toContain(token);
  expect(said.stderr).toBe("");
  expect(heard).toHaveLength(1);
  // A control: whoever does heed such a variable is heard by the thief.
  expect(control).toMatch(/^GET http:\/\/control\.test\//);
});
