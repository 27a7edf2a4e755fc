/**
 * Ordinary clients use a proxy endpoint unchanged, in a real sandbox, through a whole gateway: they ask for
 * `http://NAME.proxy/…` as for any host, and the credential is where it belongs, which is not with them.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { call, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type GitUpstream, openGitUpstream } from "./support/git-upstream.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { openTestAuthority } from "./support/test-authority.ts";
import { backToFront, openUpstream, type Upstream, valuesOf } from "./support/upstream.ts";

const MiB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), "airlock-proxy-"));
const bearer = "sk-bearer-of-the-echo-endpoint";
const apiKey = "sk-key-of-the-secure-endpoint";
const password = "pw-of-the-git-endpoint";

let director: Director;
let gateway: StartedGateway;
let echo: Upstream;
let secure: Upstream;
let gitServer: Upstream;
let repository: GitUpstream;
let run: DirectedRun;

beforeAll(async () => {
  chmodSync(directory, 0o755);
  const authority = openTestAuthority(directory);
  repository = openGitUpstream(directory, "what is in the repository\n");
  const basic = `Basic ${Buffer.from(`robot:${password}`).toString("base64")}`;
  [director, echo, secure, gitServer] = await Promise.all([
    openDirector(),
    openUpstream(backToFront),
    openUpstream(backToFront, authority.issue("127.0.0.1")),
    openUpstream((request, response) => {
      if (request.headers.authorization === basic) return repository.answer(request, response);
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
    }),
  ]);
  const hosts = [echo, secure, gitServer].map(({ host }) => host);
  gateway = await startGateway({
    env: {
      ...director.env,
      AIRLOCK_PRIVATE_HOSTS: hosts.join(","),
      NODE_EXTRA_CA_CERTS: authority.certificate,
    },
  });
  run = await director.open(gateway, submission());
}, 180_000);
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([echo, secure, gitServer].map((upstream) => upstream?.close()));
  await director?.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  for (const upstream of [echo, secure, gitServer]) upstream.arrived.length = 0;
});

function submission() {
  const caps = {
    ...{ responseMode: "full" as const, maxRequestBytes: 8 * MiB, maxResponseBytes: 8 * MiB },
    ...{ perCallBudget: 500, responseByteBudget: 256 * MiB },
  };
  return {
    agent: {
      instructions: "Do it.",
      capabilities: [{ type: "CodeExecution" as const, patterns: ["*", "grep "] }],
    },
    proxyEndpoints: [
      {
        ...{ ...caps, name: "echo", baseUrl: `${echo.url}/base` },
        ...{ authShape: { type: "bearer" as const }, allowPathPrefixes: ["/v1"] },
        ...{ allowMethods: ["GET", "POST", "HEAD"], allowHeaders: ["x-trace"] },
      },
      {
        ...{ ...caps, name: "secure", baseUrl: secure.url },
        authShape: { type: "header" as const, name: "X-Api-Key" },
        ...{ allowPathPrefixes: ["/"], allowMethods: ["GET", "POST"] },
      },
      {
        ...{ ...caps, name: "forge", baseUrl: gitServer.url },
        ...{ authShape: { type: "basic" as const }, allowPathPrefixes: ["/team/"] },
        ...{ allowMethods: ["GET", "POST"], allowHeaders: ["content-encoding", "git-protocol"] },
      },
    ],
    secrets: {
      proxyEndpointAuth: [
        { name: "echo", value: { type: "bearer" as const, token: bearer } },
        { name: "secure", value: { type: "header" as const, value: apiKey } },
        { name: "forge", value: { type: "basic" as const, username: "robot", password } },
      ],
    },
  };
}

/** Runs a command, which must end well unless told otherwise, and gives what it wrote. */
async function inside(command: string): Promise<string> {
  const answer = await run.call("sandbox_exec", { command });
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true, exit_code: 0 });
  const text = `${answer.stdout}`;
  for (const secret of [bearer, apiKey, password]) {
    expect(JSON.stringify(answer)).not.toContain(secret);
  }
  return text;
}

const requests = `python3 -c '
try:
    import requests
except ImportError:
    from pip._vendor import requests
`;

/** The one that every sandbox has: a host's own may be of before Node knew proxies. */
const node = "/airlock/bin/node";

/** How each client gets, and how it posts a file; it prints the status and what it got, or the digest of that. */
const clients: [name: string, get: (url: string) => string, post: (url: string) => string][] = [
  [
    "curl",
    (url) => `curl -sS -H 'X-Trace: t' -w ' %{http_code}' '${url}'`,
    (url) => `curl -sS --data-binary @bytes -o back -w '%{http_code} ' '${url}' && sha256sum <back`,
  ],
  [
    "Python's requests",
    (url) => `${requests}
answer = requests.get("${url}", headers={"X-Trace": "t"})
print(answer.text, answer.status_code, end="")'`,
    (url) => `${requests}
import hashlib
answer = requests.post("${url}", data=open("bytes", "rb"))
print(answer.status_code, hashlib.sha256(answer.content).hexdigest(), " -")'`,
  ],
  [
    "Python's urllib",
    (url) => `python3 -c '
import urllib.request as u
answer = u.urlopen(u.Request("${url}", headers={"X-Trace": "t"}))
print(answer.read().decode(), answer.status, end="")'`,
    (url) => `python3 -c '
import hashlib, urllib.request as u
answer = u.urlopen("${url}", data=open("bytes", "rb").read())
print(answer.status, hashlib.sha256(answer.read()).hexdigest(), " -")'`,
  ],
  [
    "Node's fetch",
    (url) => `${node} -e '
fetch("${url}", { headers: { "X-Trace": "t" } })
  .then(async (answer) => process.stdout.write((await answer.text()) + " " + answer.status))'`,
    (url) => `${node} -e '
const body = require("fs").readFileSync("bytes");
fetch("${url}", { method: "POST", body }).then(async (answer) => {
  const hash = require("crypto").createHash("sha256");
  const digest = hash.update(Buffer.from(await answer.arrayBuffer())).digest("hex");
  console.log(answer.status, digest + "  -");
})'`,
  ],
];

describe.each(clients)("%s, unchanged", (_, get, post) => {
  it("gets from an endpoint that has its credential added", async () => {
    expect(await inside(get("http://echo.proxy/v1/a%20b?q=%C3%BC&n=1&n=2"))).toBe(
      "nothing came 200",
    );
    expect(echo.arrived).toHaveLength(1);
    const [asked] = echo.arrived;
    if (asked === undefined) throw new Error("Nothing arrived");
    expect([asked.method, asked.url]).toEqual(["GET", "/base/v1/a%20b?q=%C3%BC&n=1&n=2"]);
    expect(valuesOf(asked, "authorization")).toEqual([`Bearer ${bearer}`]);
    expect(valuesOf(asked, "host")).toEqual([echo.host]);
    expect(valuesOf(asked, "x-trace")).toEqual(["t"]);
    expect(Object.keys(asked.headers).filter((name) => /proxy/.test(name))).toEqual([]);
  });

  it("posts every byte over TLS that it does not see, and gets every byte back", async () => {
    const made = `node -e '
      const bytes = Buffer.from(Array.from({ length: 700000 }, (_, at) => (at * 7 + (at >> 8)) & 255));
      require("fs").writeFileSync("bytes", bytes);
      require("fs").writeFileSync("wanted", Buffer.from(bytes).reverse())' && sha256sum <wanted`;
    const [wanted, got] = (await inside(`${made} && ${post("http://secure.proxy/in")}`)).split(
      "\n",
    );
    expect(got).toBe(`200 ${wanted}`);
    const [asked] = secure.arrived;
    if (asked === undefined) throw new Error("Nothing arrived");
    expect([asked.method, asked.url, asked.body.length]).toEqual(["POST", "/in", 700_000]);
    expect(valuesOf(asked, "x-api-key")).toEqual([apiKey]);
    expect(valuesOf(asked, "authorization")).toEqual([]);
  });

  it("reads the upstream's own refusal, and the gateway's", async () => {
    const absent = await inside(`${get("http://echo.proxy/v1/absent")} 2>&1; true`);
    expect(absent).toContain("404");
    expect(echo.arrived).toHaveLength(1);
    const denied = await inside(`${get("http://echo.proxy/v2/other")} 2>&1; true`);
    expect(denied).toContain("403");
    expect(echo.arrived).toHaveLength(1);
  });

  it("is told so when the gateway does not want its body", async () => {
    const sent = post("http://echo.proxy/v2/other");
    const said = await inside(`head -c 3000000 /dev/zero >bytes; ${sent} 2>&1; true`);
    expect(said).toContain("403");
    expect(echo.arrived).toEqual([]);
  });
});

describe("git, unchanged", () => {
  it("clones, and pushes a commit that has arrived", async () => {
    const identity = "-c user.name=agent -c user.email=agent@run.test";
    const said = await inside(`set -e; cd ~ && git ls-remote http://forge.proxy/team/tool.git main
      git clone -q http://forge.proxy/team/tool.git && cat tool/README
      head -c 300000 /dev/urandom >tool/random && cd tool && git add . &&
      git ${identity} commit -qm "from inside" && git push -q origin main 2>&1
      git ${identity} fetch -q && git rev-parse HEAD && git status -sb`);
    const lines = said.trim().split("\n");
    const [first = "", text] = lines;
    expect(first).toMatch(/^[0-9a-f]{40}\trefs\/heads\/main$/);
    expect(text).toBe("what is in the repository");
    const head = repository.git("rev-parse", "main");
    expect(lines.slice(-2)).toEqual([head, "## main...origin/main"]);
    expect(repository.git("log", "-1", "--format=%an %s")).toBe("agent from inside");
    expect(repository.git("rev-parse", "main^")).toBe(first.slice(0, 40));
    const services = gitServer.arrived.map(({ method, url }) => `${method} ${url}`);
    expect(services).toContain("POST /team/tool.git/git-upload-pack");
    expect(services).toContain("POST /team/tool.git/git-receive-pack");
  });
});

describe("the run's own command", () => {
  it("speaks the protocol to the same endpoints", async () => {
    const said = await inside(`printf 'a\\0b\\377' >bytes
      /airlock/airlock proxy echo --method POST --path /v1/x --query '{"q":"ü"}' \
        --header X-Trace=t --data @bytes && /antpath/antpath proxy secure --output -`);
    const [envelope = "", body] = said.split("\n");
    const { upstreamBodyBase64, remainingCalls, ...rest } = JSON.parse(envelope);
    expect(rest).toMatchObject({
      ...{ endpointName: "echo", upstreamStatus: 200, effectiveResponseMode: "full" },
      ...{ modeClamped: false, upstreamHeaders: { etag: '"one"' } },
    });
    expect(remainingCalls).toBeLessThan(500);
    expect(Buffer.from(upstreamBodyBase64, "base64")).toEqual(Buffer.from([255, 98, 0, 97]));
    expect(body).toBe("nothing came");
    const [asked] = echo.arrived;
    expect([asked?.method, asked?.url]).toEqual(["POST", "/base/v1/x?q=%C3%BC"]);
    expect(asked?.body).toEqual(Buffer.from([97, 0, 98, 255]));
  });

  it("passes the gateway's refusals through, and lists what the endpoints let through", async () => {
    const said = await inside(`cd ~
      /airlock/airlock proxy echo --path /v2 2>&1; echo "$?"
      /airlock/airlock proxy nobody 2>&1; echo "$?"
      /airlock/airlock --help`);
    const [denied = "", one, absent = "", two, ...help] = said.split("\n");
    expect(JSON.parse(denied)).toMatchObject({ error: "policy_denied", endpointName: "echo" });
    expect(JSON.parse(absent)).toMatchObject({ error: "endpoint_not_found" });
    expect([one, two]).toEqual(["1", "1"]);
    for (const name of ["echo", "secure", "forge"]) expect(help).toContain(`  ${name}`);
    expect(echo.arrived).toEqual([]);
  });

  it("is told so when its body is longer than the endpoint takes", async () => {
    const said = await inside(`head -c ${9 * MiB} /dev/zero >big
      /airlock/airlock proxy echo --method POST --path /v1 --data @big 2>&1; echo "$?"`);
    const [refused = "", exitCode] = said.split("\n");
    expect(JSON.parse(refused)).toMatchObject({ error: "exceeded_cap", endpointName: "echo" });
    expect(exitCode).toBe("1");
    expect(echo.arrived.filter(({ body }) => body.length > 0)).toEqual([]);
  });
});

it("a call with network none has the files and no way to an endpoint", async () => {
  const answer = await run.call("sandbox_exec", {
    command: "test -s /airlock/run-token && /airlock/airlock proxy echo --path /v1; echo $?",
    network: "none",
  });
  expect(answer).toMatchObject({ ok: true, stdout: "1\n" });
  expect(answer.stderr).toContain("without a network");
  expect(echo.arrived).toEqual([]);
});

it("nothing inside has a credential, and every call is listed with its door", async () => {
  // Looked for by pieces: as a whole they would be cut out of the command and of what it says.
  const pieces = (text: string) => `'${text.slice(0, 9)}' '${text.slice(9)}'`;
  const secrets = [bearer, apiKey, password, btoa(`robot:${password}`)].map(pieces);
  const found = await inside(`cd /dev/shm; printf '%s%s\\n' ${secrets.join(" ")} >needles
    printf 'proxy%s\\n' BaseUrl >control
    for words in needles control; do
      grep -rlaFf $words /airlock-run /airlock-config /run /cache /tmp /workspace /etc \
        /proc/[0-9]*/environ /proc/[0-9]*/cmdline; done; wc -l <needles`);
  // The control: what is there to be found is found.
  expect(found).toBe("/airlock-run/index.json\n4\n");
  await inside(`curl -sS http://echo.proxy/v1 http://secure.proxy/ http://forge.proxy/team/
    /airlock/airlock proxy echo --path /v1`);
  const { status, body } = await call(gateway, "GET", `/api/runs/${run.id}/proxy-calls?limit=100`);
  expect(status).toBe(200);
  const calls = body.proxyCalls as { door: string; endpointName: string; outcome: string }[];
  const doors = new Set(calls.map(({ door, endpointName }) => `${door} ${endpointName}`));
  for (const known of ["http echo", "http secure", "http forge", "protocol echo"]) {
    expect([...doors]).toContain(known);
  }
  expect(await run.end()).toMatchObject({ status: "succeeded" });
  const history = await historyOf(gateway, run.id);
  expect(defectsOf(run.id, history)).toEqual([]);
  for (const secret of [bearer, apiKey, password]) {
    expect(JSON.stringify(history) + gateway.log()).not.toContain(secret);
  }
});
