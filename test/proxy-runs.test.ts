/**
 * What one run has of the proxy is of no use to another, and of none to anybody once the run has ended; and a gateway that
 * was killed gives the run the same again (H24).
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { backToFront, openUpstream, type Upstream, valuesOf } from "./support/upstream.ts";

const dataDir = newDataDir();
let director: Director;
let upstream: Upstream;
let gateway: StartedGateway;

const start = () =>
  startGateway({
    dataDir,
    env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: upstream.host },
  });

beforeAll(async () => {
  [director, upstream] = await Promise.all([openDirector(), openUpstream(backToFront)]);
  gateway = await start();
});
afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
  await director?.close();
});
beforeEach(() => {
  upstream.arrived.length = 0;
});

/** A run whose endpoint `echo` has a credential that says whose it is. */
function open(owner: string): Promise<DirectedRun> {
  return director.open(gateway, {
    agent: {
      instructions: "Do it.",
      capabilities: [{ type: "CodeExecution" as const, patterns: ["*"] }],
    },
    proxyEndpoints: [
      {
        ...{ name: "echo", baseUrl: upstream.url, responseMode: "full" as const },
        ...{ authShape: { type: "bearer" as const }, allowMethods: ["GET" as const] },
        allowPathPrefixes: ["/"],
      },
    ],
    secrets: {
      proxyEndpointAuth: [
        { name: "echo", value: { type: "bearer" as const, token: `credential-of-${owner}` } },
      ],
    },
  });
}

async function inside(run: DirectedRun, command: string): Promise<string> {
  const answer = await run.call("sandbox_exec", { command });
  expect(answer, JSON.stringify(answer)).toMatchObject({ ok: true, exit_code: 0 });
  return String(answer.stdout);
}

const placeOf = ({ id }: DirectedRun) => join(dataDir, "runs", id);
const tokenOf = (run: DirectedRun) =>
  readFileSync(join(placeOf(run), "own", "run-token"), "utf8").trim();
const spent = () => upstream.arrived.flatMap((arrived) => valuesOf(arrived, "authorization"));

describe("two runs of one gateway", () => {
  it("spend a credential each, and neither gets to the other's (H24)", async () => {
    const [one, two] = await Promise.all([open("one"), open("two")]);
    const ask = "curl -sS http://echo.proxy/";
    expect(await inside(one, `/airlock/airlock proxy echo >/dev/null; ${ask}`)).toBe(
      "nothing came",
    );
    expect(await inside(two, ask)).toBe("nothing came");
    expect(spent().sort()).toEqual(
      ["one", "one", "two"].map((owner) => `Bearer credential-of-${owner}`),
    );
    expect(tokenOf(one)).not.toBe(tokenOf(two));
    upstream.arrived.length = 0;
    const post = (id: string, token: string) =>
      `curl -s -o /dev/null -w '%{http_code}\\n' -X POST -H 'x-airlock-proxy-protocol: 1' \
        -H 'x-airlock-method: GET' -H 'x-airlock-path: /' -H "authorization: Bearer ${token}" \
        http://127.0.0.1:3128/api/runs/${id}/proxy/echo`;
    const said = await inside(
      two,
      [
        ...[post(one.id, tokenOf(one)), post(two.id, tokenOf(one)), post(one.id, "none")],
        // The other's socket and files, by the paths that they have on the host.
        `curl -s --unix-socket ${placeOf(one)}/egress/egress.sock http://echo.proxy/ || echo none`,
        `cat ${placeOf(one)}/own/run-token 2>/dev/null || echo none`,
      ].join("\n"),
    );
    expect(said).toBe("401\n401\n401\nnone\nnone\n");
    expect(upstream.arrived).toEqual([]);
    // A control: the same words with what is its own do arrive, as its own.
    expect(await inside(two, post(two.id, "$(cat /airlock/run-token)"))).toBe("200\n");
    expect(spent()).toEqual(["Bearer credential-of-two"]);
    await Promise.all([one.end(), two.end()]);
  });

  it("keep their files where only their own uid can pass", async () => {
    const run = await open("kept");
    await inside(run, "true");
    const modes = ["", "own", "own/run-token", "own/.credentials", "own/index.json"].map((path) =>
      (statSync(join(placeOf(run), path)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(["700", "700", "400", "400", "400"]);
    await run.end();
  });
});

describe("a run that has ended", () => {
  it("leaves no file, no socket, and a token that opens nothing (H24)", async () => {
    const run = await open("ended");
    await inside(run, "curl -sS http://echo.proxy/");
    const token = tokenOf(run);
    const path = `/api/runs/${run.id}/proxy/echo`;
    const headers = {
      ...{ "x-airlock-proxy-protocol": "1", "x-airlock-method": "GET", "x-airlock-path": "/" },
    };
    const ask = () => call({ url: gateway.url, token }, "POST", path, "", headers);
    // A control: while it is at work, the token does open it.
    expect((await ask()).status).toBe(200);
    await run.end();
    const after = await ask();
    expect([after.status, after.body.error]).toEqual([401, "unauthorized"]);
    expect(upstream.arrived).toHaveLength(2);
    const left = () => existsSync(placeOf(run)) && readdirSync(placeOf(run));
    await expect.poll(left, { timeout: 20_000 }).toBe(false);
  });
});

it("a gateway that was killed gives the run the same files, and its endpoints go on", async () => {
  const run = await open("killed");
  const look = "sha256sum /airlock/run-token /airlock/index.json /airlock/.credentials";
  const before = await inside(run, look);
  expect(before.split("\n")).toHaveLength(4);
  await gateway.kill9();
  gateway = await start();
  const after = await inside(run, `${look}; curl -sS http://echo.proxy/`);
  expect(after).toBe(`${before}nothing came`);
  expect(spent()).toEqual(["Bearer credential-of-killed"]);
  expect(JSON.parse(await inside(run, "/airlock/airlock proxy echo"))).toMatchObject({
    upstreamStatus: 200,
    remainingCalls: 58,
  });
  const { id } = run;
  // The client of this run speaks to the gateway that is gone.
  void run.end().catch(() => undefined);
  const ended = await clientOf(gateway).run(id).wait();
  expect(ended.status).toBe("succeeded");
  expect(defectsOf(id, await historyOf(gateway, id))).toEqual([]);
});
