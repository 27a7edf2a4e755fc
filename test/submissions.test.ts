/**
 * What a submission may say and what not, as a table: each refusal names the field and what was wanted there. Nothing is
 * started of what is refused, and what means the same is the same run.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let gateway: StartedGateway;

beforeAll(async () => {
  gateway = await startGateway({
    script: { turns: [{ text: "done" }] },
    env: { ANTHROPIC_API_KEY: "key-of-the-gateway-0815", AIRLOCK_PRIVATE_HOSTS: "mcp.test" },
  });
});
afterAll(async () => {
  await gateway.stop();
});

const base = { model: "scripted/demo", prompt: "go" };
const post = (body: unknown) => call(gateway, "POST", "/api/runs", body);
const server = { name: "tickets", url: "https://mcp.test/mcp" };
const headers = { Authorization: "Bearer tok-91c7d0e2" };
const secretsOf = (...mcpServers: unknown[]) => ({ mcpServers: [server], secrets: { mcpServers } });

describe("a submission is refused, with the field and what was wanted", () => {
  it.each<[string, object, string, RegExp]>([
    ["an unknown member", { promt: "x" }, "", /"promt"; expected one of model, .*environment, .*/],
    [
      "one further down",
      { environment: { vars: {} } },
      "environment",
      /"vars".*networking, packages, envVars/,
    ],
    ["one of a list", { files: [{ path: "a", content: "b", mod: 1 }] }, "files[0]", /"mod"/],
    ["an empty prompt", { prompt: "" }, "prompt", /blank/],
    ["a blank one", { prompt: "\n\t " }, "prompt", /blank/],
    ["a blank part", { prompt: ["x", " "] }, "prompt[1]", /blank/],
    ["no prompt", { prompt: undefined }, "prompt", /expected a prompt/],
    ["an array of none", { prompt: [] }, "prompt", /./],
    ["a key at the top", { apiKey: "x" }, "apiKey", /secrets\.<provider>\.apiKey/],
    ["a key of a provider", { providerApiKey: "x" }, "providerApiKey", /secrets/],
    ["one in metadata", { metadata: { a: { password: "x" } } }, "metadata.a.password", /secrets/],
    [
      "one in a list",
      { metadata: { a: [{ accessToken: "x" }] } },
      "metadata.a[0].accessToken",
      /secrets/,
    ],
    [
      "one among variables",
      { environment: { envVars: { credentials: "x" } } },
      "environment.envVars.credentials",
      /secrets/,
    ],
    ["an unknown provider", { secrets: { grok: { apiKey: "12345678" } } }, "secrets", /./],
    [
      "a block for nobody's provider",
      {
        model: "claude-sonnet-4-5",
        secrets: {
          anthropic: { apiKey: "key-of-somebody-12" },
          openai: { apiKey: "key-of-nobody-33" },
        },
      },
      "secrets.openai",
      /neither .*model/,
    ],
    ["metadata that is too large", { metadata: { a: "x".repeat(20_000) } }, "", /metadata/],
    ["a cleanup of no kind", { cleanup: { session: "keep" } }, "cleanup.session", /retain/],
    ["a timeout in words", { timeout: "5min" }, "timeout", /duration/],
    ["a negative one", { timeout: "-5s" }, "timeout", /duration/],
    ["an empty one", { timeout: "" }, "timeout", /duration/],
    ["none at all", { timeout: "0s" }, "timeout", /more than 0/],
    ["too long a one", { timeout: "721h" }, "timeout", /at most/],
    [
      "two of them",
      { timeout: "1h", limits: { wallClockSeconds: 60 } },
      "timeout",
      /expected one of the two/,
    ],
    [
      "a package of no ecosystem",
      { environment: { packages: [{ name: "conda:numpy" }] } },
      "environment.packages[0].name",
      /"conda" is no ecosystem/,
    ],
    [
      "a package without a name",
      { environment: { packages: [{ name: "pip:" }] } },
      "environment.packages[0].name",
      /expected the name/,
    ],
    [
      "an option as a package",
      { environment: { packages: [{ name: "pip:--pre" }] } },
      "environment.packages[0].name",
      /no name/,
    ],
    [
      "a repository as a package",
      { environment: { packages: [{ name: "npm:a/b" }] } },
      "environment.packages[0].name",
      /no name/,
    ],
    [
      "a version of another kind",
      { environment: { packages: [{ name: "npm:a", version: "npm:b" }] } },
      "environment.packages[0].version",
      /colon/,
    ],
    [
      "two versions",
      {
        environment: {
          packages: [
            { name: "pip:a", version: "1" },
            { name: "pip:a", version: "2" },
          ],
        },
      },
      "environment.packages[1]",
      /two versions/,
    ],
    [
      "hosts when all are open",
      { environment: { networking: { mode: "open", allowedHosts: ["a.test"] } } },
      "environment.networking.allowedHosts",
      /limited/,
    ],
    ["no mode", { environment: { networking: {} } }, "environment.networking.mode", /./],
    [
      "a URL for a host",
      { environment: { networking: { mode: "limited", allowedHosts: ["https://a.test"] } } },
      "environment.networking.allowedHosts[0]",
      /is no host/,
    ],
    [
      "a variable in lower case",
      { environment: { envVars: { a: "x" } } },
      "environment.envVars.a",
      /capital/,
    ],
    [
      "a variable of the gateway",
      { environment: { envVars: { AIRLOCK_X: "x" } } },
      "environment.envVars.AIRLOCK_X",
      /gateway/,
    ],
    [
      "one of the founding kind",
      { environment: { envVars: { ANTPATH_X: "x" } } },
      "environment.envVars.ANTPATH_X",
      /gateway/,
    ],
    ["PATH", { environment: { envVars: { PATH: "/x" } } }, "environment.envVars.PATH", /sets it/],
    [
      "a proxy",
      { environment: { envVars: { HTTPS_PROXY: "x" } } },
      "environment.envVars.HTTPS_PROXY",
      /connect/,
    ],
    [
      "what a shell reads",
      { environment: { envVars: { BASH_ENV: "/x" } } },
      "environment.envVars.BASH_ENV",
      /shell/,
    ],
    [
      "what a linker reads",
      { environment: { envVars: { LD_PRELOAD: "/x" } } },
      "environment.envVars.LD_PRELOAD",
      /linker/,
    ],
    [
      "what Node reads",
      { environment: { envVars: { NODE_OPTIONS: "-r x" } } },
      "environment.envVars.NODE_OPTIONS",
      /started/,
    ],
    [
      "a variable with NUL",
      { environment: { envVars: { A: "\0" } } },
      "environment.envVars.A",
      /NUL/,
    ],
    [
      "a variable that is too long",
      { environment: { envVars: { A: "x".repeat(4097) } } },
      "environment.envVars.A",
      /4096/,
    ],
    [
      "headers in public",
      { mcpServers: [{ ...server, headers }] },
      "mcpServers[0].headers",
      /secrets\.mcpServers/,
    ],
    [
      "a server that is a program",
      { mcpServers: [{ name: "x", command: "npx" }] },
      "mcpServers[0]",
      /stdio/,
    ],
    [
      "one that says so",
      { mcpServers: [{ name: "x", transport: "stdio" }] },
      "mcpServers[0]",
      /stdio/,
    ],
    [
      "a transport of the past",
      { mcpServers: [{ ...server, transport: "sse" }] },
      "mcpServers[0].transport",
      /streamable HTTP/,
    ],
    ["a server twice", { mcpServers: [server, server] }, "mcpServers[1].name", /twice/],
    [
      "one that is another by its tools",
      {
        mcpServers: [
          { ...server, name: "a_b" },
          { ...server, name: "a-b" },
        ],
      },
      "mcpServers[1].name",
      /begin another/,
    ],
    [
      "a login in its URL",
      { mcpServers: [{ ...server, url: "https://a:b@mcp.test/" }] },
      "mcpServers[0].url",
      /user information/,
    ],
    [
      "a file for a URL",
      { mcpServers: [{ ...server, url: "file:///etc/passwd" }] },
      "mcpServers[0].url",
      /https/,
    ],
    [
      "headers of no server",
      secretsOf({ name: "other", url: server.url, headers }),
      "secrets.mcpServers[0].name",
      /declares no server "other"/,
    ],
    [
      "headers of another URL",
      secretsOf({ ...server, url: "https://mcp.test/mcp/", headers }),
      "secrets.mcpServers[0].url",
      /byte by byte/,
    ],
    [
      "headers twice",
      secretsOf({ ...server, headers }, { ...server, headers }),
      "secrets.mcpServers[1].name",
      /twice/,
    ],
    [
      "a header of the protocol",
      secretsOf({ ...server, headers: { Host: "x.test-host" } }),
      "secrets.mcpServers[0].headers.Host",
      /protocol/,
    ],
    [
      "a header with a line break",
      secretsOf({ ...server, headers: { "X-A": "a\r\nb: cdefgh" } }),
      "secrets.mcpServers[0].headers.X-A",
      /line break/,
    ],
    ["the platform's own secrets", { secrets: { __antpath_run: {} } }, "secrets", /./],
  ])("%s", async (_, body, path, message) => {
    const { status, body: answer } = await post({ ...base, ...body });
    const error = answer.error as {
      code: string;
      message: string;
      details?: { fields: { path: string; message: string }[] };
    };
    expect([status, error.code]).toEqual(
      path === "" && String(message).includes("metadata")
        ? [413, "payload_too_large"]
        : [400, "invalid_request"],
    );
    expect(error.message).toMatch(message);
    if (error.details) expect(error.details.fields[0]?.path).toBe(path);
    expect(JSON.stringify(answer)).not.toMatch(/tok-91c7d0e2|key-of-nobody/);
  });

  it("a skill where packages are installed", async () => {
    const skill = {
      kind: "inline",
      name: "here",
      markdown: "# Here",
      mountPath: "/opt/packages/pip/x",
    };
    const environment = { packages: [{ name: "pip:six" }] };
    const { status, body: answer } = await post({ ...base, skills: [skill], environment });
    expect([status, JSON.stringify(answer)]).toEqual([
      400,
      expect.stringMatching(/where packages are installed/),
    ]);
  });

  it("a number that is none", async () => {
    const body = '{"model":"scripted/demo","prompt":"go","metadata":{"a":1e999}}';
    const { status, body: answer } = await post(body);
    expect([status, JSON.stringify(answer)]).toEqual([400, expect.stringMatching(/number/)]);
  });

  it("networking for a run whose agent says itself what it reaches", async () => {
    const environment = { networking: { mode: "open" } };
    const agent = { instructions: "x", capabilities: [] };
    for (const body of [{ ...base, agent }, { message: "x" }]) {
      const { status, body: answer } = await post({ ...body, environment });
      expect([status, JSON.stringify(answer)]).toEqual([
        400,
        expect.stringMatching(/capabilities, and by grant/),
      ]);
    }
  });
});

describe("what means the same is one run", () => {
  it.each<[string, object, object]>([
    ["a prompt and a list of one", { prompt: "go" }, { prompt: ["go"] }],
    ["an hour", { timeout: "1h" }, { timeout: "60m" }],
    ["an hour as a limit", { timeout: "3600000" }, { limits: { wallClockSeconds: 3600 } }],
    [
      "nothing around it",
      {},
      { environment: { envVars: {}, packages: [], networking: { mode: "limited" } } },
    ],
    [
      "hosts",
      {
        environment: {
          networking: { mode: "limited", allowedHosts: ["B.test", "a.test", "b.test"] },
        },
      },
      { environment: { networking: { mode: "limited", allowedHosts: ["a.test", "b.test"] } } },
    ],
    ["the usual end", {}, { cleanup: { session: "delete" } }],
    [
      "the one transport",
      { mcpServers: [server] },
      { mcpServers: [{ ...server, transport: "http" }] },
    ],
    [
      "other credentials",
      secretsOf({ ...server, headers }),
      secretsOf({ ...server, headers: { "X-Key": "another-one-77d1" } }),
    ],
  ])("%s", async (name, one, other) => {
    const idempotencyKey = `same ${name}`;
    const first = await post({ ...base, idempotencyKey, ...one });
    const second = await post({ ...base, idempotencyKey, ...other });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect((second.body.run as { id: string }).id).toBe((first.body.run as { id: string }).id);
  });

  it("takes names with - and digits, and keeps metadata as it is", async () => {
    const metadata = { a: [1.5, null, { b: "ü" }], "": undefined };
    const { status, body } = await post({
      ...base,
      metadata,
      mcpServers: [{ ...server, name: "my-tools2" }],
    });
    expect(status).toBe(201);
    expect((body.run as { metadata: unknown }).metadata).toEqual({ a: [1.5, null, { b: "ü" }] });
  });
});
