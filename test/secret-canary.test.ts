/**
 * J01: secrets with every awkward character, in every place where a run can spend one, by code that tries to give them away:
 * afterwards they are in no file, log, event, archive, prompt, process argument or environment, in no spelling. Each
 * search has a control that finds what is there.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { filesWithSecret, findSecret } from "./support/canary.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { openWire, type Wire } from "./support/model-wire.ts";
import { readZip } from "./support/read-zip.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { openUpstream, type Upstream } from "./support/upstream.ts";

/** Forty characters that every encoding treats in its own way. */
const awkward = () => `cn+/="%&${randomBytes(24).toString("base64").replaceAll("=", "~")}`;
const ofRun = awkward();
const ofWorkspace = awkward();
const ofEndpoint = awkward();
const inEnvironment = `${awkward()}\n${awkward()}`;
const inQuery = awkward();
const secrets = { ofRun, ofWorkspace, ofEndpoint, inEnvironment, inQuery };
const marker = "a-word-that-is-no-secret";

const dataDir = newDataDir();
let director: Director;
let wire: Wire;
let upstream: Upstream;
let gateway: StartedGateway;

async function start(): Promise<void> {
  gateway = await startGateway({
    dataDir,
    env: {
      ...director.env,
      OPENAI_COMPATIBLE_BASE_URL: `${wire.url}/v1`,
      AIRLOCK_PRIVATE_HOSTS: upstream.host,
      AIRLOCK_LOG_LEVEL: "trace",
    },
  });
}

beforeAll(async () => {
  director = await openDirector();
  wire = await openWire(director.env.OPENAI_COMPATIBLE_BASE_URL?.replace(/\/v1$/, ""));
  upstream = await openUpstream((request, response) => {
    const said = JSON.stringify({ ...request, body: request.body.toString(), marker });
    response.setHeader("x-echo", String(request.headers["x-key"] ?? "none").replace(/[^ -~]/g, ""));
    response.setHeader("location", `/elsewhere${request.url}`);
    response.writeHead(200, { "content-type": "application/json" });
    for (let at = 0; at < said.length; at += 7) response.write(said.slice(at, at + 7));
    response.end(Buffer.from(said).toString("base64"));
  });
  await start();
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([upstream.close(), wire.close(), director.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});

const endpoint = (name: string, authShape: object) => ({
  ...{ name, baseUrl: upstream.url, allowMethods: ["GET" as const, "POST" as const] },
  ...{ authShape: authShape as { type: "bearer" }, allowPathPrefixes: ["/"] },
  ...{ responseMode: "full" as const },
});

async function open(): Promise<DirectedRun> {
  return director.open(gateway, {
    outputDirs: ["/workspace/out"],
    metadata: { note: marker },
    proxyEndpoints: [
      endpoint("own", { type: "bearer" }),
      endpoint("vault", { type: "header", name: "x-key" }),
      endpoint("asked", { type: "query", name: "key" }),
      endpoint("login", { type: "basic" }),
    ],
    secrets: {
      env: { AWKWARD: inEnvironment, PLAIN_KEY: ofRun },
      proxyEndpointAuth: [
        { name: "own", value: { type: "bearer", token: ofEndpoint } },
        { name: "vault", secret: "AWKWARD_KEY" },
        { name: "asked", value: { type: "query", value: inQuery } },
        { name: "login", value: { type: "basic", username: "ada", password: ofEndpoint } },
      ],
    },
  });
}

/** What code tries that has a secret in its environment, and wants it out. */
const giveAway = `
import base64, json, os, sys, urllib.parse
for name in ("AWKWARD", "PLAIN_KEY"):
    value = os.environ[name]
    raw = value.encode()
    said = [value, json.dumps(value), json.dumps(json.dumps(value)), urllib.parse.quote(value, safe=""),
            urllib.parse.quote_plus(value), raw.hex(), raw.hex().upper(), value[::-1]]
    said += [base64.b64encode(b"." * n + raw).decode() for n in range(3)]
    said += [base64.urlsafe_b64encode(b"." * n + raw).decode() for n in range(3)]
    for text in said:
        print(text); print(text, file=sys.stderr)
        for letter in text[:9]: sys.stdout.write(letter); sys.stdout.flush()
        sys.stdout.write(text[9:] + "\\n")
    os.makedirs("/workspace/out", exist_ok=True)
    open("/workspace/out/" + name, "w").write("here it is: " + value)
    open("/workspace/out/safe.txt", "w").write("${marker}")
    open("/tmp/kept.txt", "w").write(value)
`;

async function approveFirst(run: DirectedRun): Promise<void> {
  for await (const event of run.run.stream()) {
    if (event.type !== "approval.requested") continue;
    const { request_id } = event.data as { request_id: string };
    const said = JSON.stringify(event.data);
    expect(said).toContain("AWKWARD");
    await call(gateway, "POST", `/api/approvals/${request_id}/approve`, {});
    return;
  }
}

/** What any process of this machine shows to whoever may look, but for the one whose environment is to hold it. */
function processesShow(secret: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) =>
      ["cmdline", "environ"].filter((file) => {
        try {
          return findSecret(readFileSync(`/proc/${pid}/${file}`), secret).length > 0;
        } catch {
          return false; // It ended between the two looks.
        }
      }),
    );
}

it("leaves no secret anywhere, in any spelling, whatever a run does with it (J01 J08 J09)", async () => {
  const put = await call(gateway, "PUT", "/api/secrets/AWKWARD_KEY", { value: ofWorkspace });
  expect(put.status).toBe(201);
  const run = await open();
  await run.call("content_write", { name: "give-away.py", content: giveAway });
  for (const name of ["own", "vault", "asked", "login"]) {
    const answer = await run.call("sandbox_exec", {
      command: `curl -sSi -d ${marker} http://${name}.proxy/echo; /airlock/airlock proxy ${name} --path /echo`,
    });
    expect(answer.stdout).toContain(marker);
  }
  const approved = approveFirst(run);
  const told = await run.call("sandbox_exec", {
    ...{ command: "python3 give-away.py", intent: "To try" },
    credential_env: ["AWKWARD", "PLAIN_KEY"],
  });
  await approved;
  expect(told).toMatchObject({ ok: true });
  await run.call("sandbox_exec", {
    command: "cat /tmp/kept.txt; base64 /tmp/kept.txt; rev kept.txt",
  });
  expect(Object.values(secrets).flatMap(processesShow)).toEqual([]);

  // A death in the middle leaves what was not yet checkpointed; then on to the end of the run.
  await gateway.kill9();
  // The run's own directories hold what its own code put there, and go with it.
  const ours = (path: string) => !path.startsWith(`${dataDir}/runs/`);
  for (const secret of Object.values(secrets)) {
    expect(filesWithSecret(dataDir, secret).filter(ours)).toEqual([]);
  }
  expect(filesWithSecret(dataDir, marker).length).toBeGreaterThan(0);
  const first = gateway;
  await start();
  const again = clientOf(gateway).run(run.id);
  const ended = await run.end(again);
  expect(ended.status).toBe("succeeded");

  const spent = upstream.arrived.map(({ headers, url }) => JSON.stringify([headers, url])).join();
  expect(spent).toContain(JSON.stringify(`Bearer ${ofEndpoint}`).slice(1, -1));
  const history = await historyOf(gateway, run.id);
  const zip = await readZip(await again.download());
  const outputs = [...zip.keys()].filter((name) => name.startsWith("outputs/"));
  expect(outputs).toEqual(["outputs/safe.txt"]);
  const missing = JSON.stringify(history.findLast(({ type }) => type === "outputs.captured")?.data);
  expect(missing).toContain("contains_secret");
  const surfaces = {
    journal: JSON.stringify(history),
    logs: [first, gateway].map((one) => one.log() + one.stdout()).join(),
    prompts: wire.requests.map(({ body }) => body).join(),
    archive: [...zip.values()].map((bytes) => Buffer.from(bytes).toString("latin1")).join(),
    calls: JSON.stringify((await call(gateway, "GET", `/api/runs/${run.id}/proxy-calls`)).body),
    secrets: JSON.stringify((await call(gateway, "GET", "/api/secrets")).body),
  };
  expect(surfaces.journal).toContain(marker);
  expect(surfaces.prompts).toContain(marker);
  for (const [name, secret] of Object.entries(secrets)) {
    expect(filesWithSecret(dataDir, secret), name).toEqual([]);
    for (const [surface, text] of Object.entries(surfaces)) {
      expect(findSecret(Buffer.from(text), secret), `${name} in ${surface}`).toEqual([]);
    }
  }
});
