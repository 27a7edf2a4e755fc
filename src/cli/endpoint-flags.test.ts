/** Endpoints and secrets on the command line of a run: their values come from anywhere but there. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { typed } from "../../test/support/terminal.ts";
import { newId } from "../contract/ids.ts";
import type { ProxyCall } from "../contract/proxy-call.ts";

const canary = `sk_${newId("token")}`;
const submission = ["run", "--model", "scripted/x", "--prompt", "hello"];
const policy = (name: string, authShape: object) => ({
  ...{ name, authShape, baseUrl: "https://api.example.org" },
  ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/"] },
});
const endpoint = (name: string, type: string, more: object = {}) => [
  "--proxy-endpoint",
  JSON.stringify(policy(name, { type, ...more })),
];

async function openDesk() {
  const dir = await tempDir();
  const door = openFrontDoor();
  const server = await door.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const { secret, token } = door.token();
  const file = async (name: string, text: string | Buffer) => {
    const path = join(dir, name);
    await writeFile(path, text);
    return path;
  };
  const run = (argv: string[], env: Record<string, string> = {}) =>
    typed([...submission, ...argv], { url: server.url, token: secret, env });
  return { door, token, file, run, url: server.url, secret };
}

describe("airlock run", () => {
  it("takes endpoints as JSON or from files, and their credentials from variables, files and the vault", async () => {
    const { door, file, run } = await openDesk();
    const declared = await file("basic.json", JSON.stringify(policy("basic", { type: "basic" })));
    const password = await file("password", `user:${canary}:2\n`);
    const { code, out, err } = await run(
      [
        ...endpoint("none", "none"),
        ...endpoint("bearer", "bearer"),
        ...["--proxy-endpoint", `@${declared}`],
        ...endpoint("header", "header", { name: "x-api-key" }),
        ...endpoint("query", "query", { name: "key" }),
        ...["--proxy-auth", "bearer=env:TOKEN", "--proxy-auth", `basic=file:${password}`],
        ...["--proxy-auth", "header=secret:HEADER_KEY", "--proxy-auth", "query=env:TOKEN"],
      ],
      { TOKEN: canary },
    );
    expect(code, err).toBe(0);
    expect(out + err).not.toContain(canary);
    const { proxyEndpoints, secrets } = door.submitted[0]?.submission ?? {};
    expect(proxyEndpoints?.map(({ name }) => name)).toEqual([
      ...["none", "bearer", "basic", "header", "query"],
    ]);
    expect(secrets).toEqual({
      proxyEndpointAuth: [
        { name: "bearer", value: { type: "bearer", token: canary } },
        { name: "basic", value: { type: "basic", username: "user", password: `${canary}:2` } },
        { name: "header", secret: "HEADER_KEY" },
        { name: "query", value: { type: "query", value: canary } },
      ],
    });
  });

  it("takes secrets for credential_env from its own environment, or from files", async () => {
    const { door, file, run } = await openDesk();
    const path = await file("key", `${canary}3\n`);
    const flags = ["A_KEY", "B_KEY=env:OTHER", `C_KEY=file:${path}`];
    const { code, err } = await run(
      flags.flatMap((flag) => ["--secret-env", flag]),
      { A_KEY: `${canary}1`, OTHER: `${canary}2` },
    );
    expect(code, err).toBe(0);
    expect(door.submitted[0]?.submission.secrets).toEqual({
      env: { A_KEY: `${canary}1`, B_KEY: `${canary}2`, C_KEY: `${canary}3` },
    });
  });

  it("adds to a configuration, and a flag wins over its credential of the same name", async () => {
    const { door, file, run } = await openDesk();
    const config = await file(
      "run.json",
      JSON.stringify({
        proxyEndpoints: [policy("one", { type: "bearer" })],
        secrets: {
          openai: { apiKey: "sk-openai-0123456789" },
          proxyEndpointAuth: [{ name: "one", secret: "OLD" }],
          env: { KEPT: `${canary}4` },
        },
      }),
    );
    const { code, err } = await run(
      [
        ...["--config", config, ...endpoint("two", "none")],
        ...["--proxy-auth", "one=secret:NEW", "--secret-env", "MORE"],
      ],
      { MORE: `${canary}5` },
    );
    expect(code, err).toBe(0);
    const { proxyEndpoints, secrets } = door.submitted[0]?.submission ?? {};
    expect(proxyEndpoints?.map(({ name }) => name)).toEqual(["one", "two"]);
    expect(secrets).toEqual({
      openai: { apiKey: "sk-openai-0123456789" },
      proxyEndpointAuth: [{ name: "one", secret: "NEW" }],
      env: { KEPT: `${canary}4`, MORE: `${canary}5` },
    });
  });

  it("takes no file for a secret that is not text: its bytes would be others", async () => {
    const { door, file, run } = await openDesk();
    const key = await file("client.p12", Buffer.from([...Buffer.from(canary), 0xff, 0xfe]));
    for (const argv of [
      ["--secret-env", `KEY=file:${key}`],
      [...endpoint("one", "bearer"), "--proxy-auth", `one=file:${key}`],
    ]) {
      const { code, err } = await run(argv);
      expect([code, err]).toEqual([2, expect.stringMatching(/not text in UTF-8[\s\S]*base64/)]);
    }
    expect(door.submitted).toEqual([]);
  });

  it("refuses values on the command line with the remedy, and submits nothing that is wrong", async () => {
    const { door, run } = await openDesk();
    const one = endpoint("one", "bearer");
    const remedy = /seen by everybody in `ps`[\s\S]*env:VAR.*file:PATH/;
    const wrong: [string[], RegExp][] = [
      [[...one, "--proxy-auth", `one=bearer:${canary}`], remedy],
      [[...one, "--proxy-auth", `one=${canary}`], remedy],
      [[...one, "--proxy-auth", canary], remedy],
      [[...one, "--proxy-auth", "one=env:"], remedy],
      [["--secret-env", `KEY=${canary}`], remedy],
      [["--secret-env", "KEY"], /--secret-env: the variable "KEY" is not set/],
      [["--secret-env", "KEY=file:/nowhere/key"], /--secret-env: cannot read the file/],
      [[...one, "--proxy-auth", "one=env:NOPE"], /--proxy-auth: the variable "NOPE" is not set/],
      [["--proxy-auth", "one=env:TOKEN"], /there is no proxy endpoint "one"/],
      [one, /"one" has no credential/],
      [[...endpoint("one", "none"), "--proxy-auth", "one=secret:X"], /takes no credential/],
      [[...endpoint("one", "basic"), "--proxy-auth", "one=env:TOKEN"], /expected USER:PASSWORD/],
      [["--proxy-endpoint", `{"token":"${canary}`], /--proxy-endpoint: expected a JSON object/],
      [["--proxy-endpoint", "[]"], /Proxy endpoint 1 has no authShape/],
      [["--proxy-endpoint", '"x"'], /Proxy endpoint 1 has no authShape/],
      [["--proxy-endpoint", "@/nowhere"], /--proxy-endpoint: cannot read the file/],
      [["--proxy-endpoint", '{"authShape":{"type":"none"}}'], /proxyEndpoints\[0\]\.name/],
    ];
    for (const [argv, message] of wrong) {
      const { code, err, out } = await run(argv, { TOKEN: canary });
      expect([argv, err]).toEqual([argv, expect.stringMatching(message)]);
      expect([1, 2]).toContain(code);
      expect(out + err).not.toContain(canary);
    }
    expect(door.submitted).toEqual([]);
  });
});

describe("airlock proxy-calls", () => {
  const evil = "\x1b]0;owned\x07";
  const call = (more: Partial<ProxyCall> = {}): ProxyCall => ({
    ...{ id: newId("proxyCall"), runId: newId("run"), callId: null, endpointName: "stripe" },
    ...{ door: "protocol", method: "GET", requestPathRedacted: "/v1/charges" },
    ...{ requestByteSize: 0, responseStatus: 404, responseByteSize: 2048, durationMs: 12 },
    ...{ outcome: "ok", errorClass: null, modeClamped: false, truncated: false, redacted: false },
    ...{ startedAt: "2030-01-01T10:20:30.000Z", finishedAt: "2030-01-01T10:20:30.012Z", ...more },
  });

  async function listed(calls: ProxyCall[], argv: string[]) {
    const proxy = {
      calls: async () => ({ rows: calls, more: false }),
      call: () => Promise.reject(new Error("Nobody calls")),
    };
    const door = openFrontDoor({ proxy });
    const server = await door.listen({ host: "127.0.0.1", port: 0 });
    onTestFinished(() => server.close(0));
    const { secret, token } = door.token();
    const { id } = door.addRun(token.workspaceId);
    return await typed(["proxy-calls", id, ...argv], { url: server.url, token: secret });
  }

  it("says what was asked, what came of it, and what was done to the answer", async () => {
    const denied = call({
      ...{ outcome: "denied", responseStatus: null, responseByteSize: 0 },
      ...{ errorClass: "policy_denied", requestPathRedacted: `/admin${evil}` },
    });
    const cut = call({ truncated: true, redacted: true, modeClamped: true, responseStatus: 200 });
    const { code, out } = await listed([call(), denied, cut], []);
    expect(code).toBe(0);
    const lines = out.trim().split("\n");
    expect(lines[0]).toBe(
      "2030-01-01 10:20:30  stripe        GET    /v1/charges  ✓ 404  2.0 KiB, 12 ms",
    );
    expect(lines[1]).toContain("/admin\\x1b]0;owned\\x07  ✗ denied (policy_denied)  0 B");
    expect(lines[2]).toContain("✓ 200 [less than was asked for, cut off, a secret cut out]");
    expect(out).not.toContain(evil);
  });

  it("is one object per line with --json, and no more than are wanted", async () => {
    const calls = [call(), call(), call()];
    const { out } = await listed(calls, ["--json", "--limit", "2"]);
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(calls.slice(0, 2));
    expect((await listed([], [])).out).toBe("");
  });
});
