/**
 * What becomes of the secrets of a run: each is named in its last event, and none of their bytes is on the disk afterwards,
 * neither as they are nor sealed. And the credentials of an MCP server are spent there and nowhere else.
 */

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { DatabaseSync as Database } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { filesWithSecret, findSecret, newCanary } from "./support/canary.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { type McpTestServer, openMcpServer } from "./support/mcp-server.ts";
import { removeTree } from "./support/remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const { DatabaseSync } = createRequire(import.meta.url)("node:sqlite") as {
  DatabaseSync: typeof Database;
};

const dataDir = newDataDir();
const token = newCanary();
const key = newCanary();
const env = newCanary();
const endpoint = newCanary();
let director: Director;
let gateway: StartedGateway;
let server: McpTestServer;
const start = () =>
  startGateway({ dataDir, env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: server.host } });

beforeAll(async () => {
  [director, server] = await Promise.all([
    openDirector(),
    openMcpServer({
      token,
      tools: [
        {
          name: "echo",
          answer: ({ headers }) => `${headers.authorization} and ${headers["x-key"]}`,
        },
      ],
    }),
  ]);
  gateway = await start();
});
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([director.close(), server.close()]);
  removeTree(dataDir);
});

/** Every sealed value of the database, as its bytes are. */
function sealedRows(): Buffer[] {
  const db = new DatabaseSync(join(dataDir, "airlock.db"), { readOnly: true });
  try {
    const rows = db.prepare("select sealed from sealed_secrets").all() as { sealed: Uint8Array }[];
    return rows.map(({ sealed }) => Buffer.from(sealed));
  } finally {
    db.close();
  }
}

const files = () =>
  readdirSync(dataDir)
    .filter((name) => name.startsWith("airlock.db"))
    .map((name) => readFileSync(join(dataDir, name)));

describe("the secrets of a run", () => {
  it("are spent where they belong, named at its end, and gone from the disk", async () => {
    const run = await director.open(gateway, {
      mcpServers: [
        { name: "my-tools", url: server.url, preapproved: ["*"] },
        { name: "other", url: server.url },
      ],
      proxyEndpoints: [
        {
          ...{ name: "api", baseUrl: "https://api.example", authShape: { type: "bearer" } },
          ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
        },
      ],
      secrets: {
        anthropic: { apiKey: key },
        env: { TOKEN: env },
        proxyEndpointAuth: [{ name: "api", value: { type: "bearer", token: endpoint } }],
        mcpServers: [
          {
            ...{ name: "my-tools", url: server.url },
            headers: { Authorization: `Bearer ${token}`, "X-Key": key },
          },
        ],
      },
    });
    const said = await run.call("mcp_my_tools_echo", {});
    expect(said).toMatchObject({ ok: true });
    expect(server.calls.at(-1)?.headers).toMatchObject({
      ...{ authorization: `Bearer ${token}`, "x-key": key },
    });
    const sealed = sealedRows();
    expect(sealed.length).toBeGreaterThanOrEqual(6);
    // Control: they are there until the end.
    const holds = (bytes: Buffer) => files().some((file) => file.includes(bytes));
    expect(sealed.every(holds)).toBe(true);
    await run.end();

    const history = await historyOf(gateway, run.id);
    expect(history.at(-1)).toMatchObject({
      data: {
        custody: [
          { class: "credential_env", name: "TOKEN", disposition: "destroyed" },
          { class: "mcp_credential", name: "my-tools", disposition: "destroyed" },
          { class: "provider_api_key", name: "anthropic", disposition: "destroyed" },
          { class: "proxy_endpoint_auth", name: "api", disposition: "destroyed" },
          { class: "run_token", name: "run_token", disposition: "destroyed" },
        ],
      },
    });
    const journal = Buffer.from(JSON.stringify(history));
    for (const value of [token, key, env, endpoint]) expect(findSecret(journal, value)).toEqual([]);
    expect(sealedRows()).toEqual([]);

    // The last one that closes the database moves its log into it.
    await gateway.stop();
    expect(sealed.filter(holds)).toEqual([]);
    for (const value of [token, key, env, endpoint]) {
      expect(filesWithSecret(dataDir, value, ["runtime"])).toEqual([]);
    }
    gateway = await start();
    expect(await clientOf(gateway).verify()).toMatchObject({ ok: true });
  });

  it("of the workspace are none of the run's, and stay", async () => {
    const client = clientOf(gateway);
    await client.secrets.set("SHARED", newCanary());
    const run = await director.open(gateway, {
      proxyEndpoints: [
        {
          ...{ name: "api", baseUrl: "https://api.example", authShape: { type: "bearer" } },
          ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
        },
      ],
      secrets: { proxyEndpointAuth: [{ name: "api", secret: "SHARED" }] },
    });
    await run.end();
    const finished = (await historyOf(gateway, run.id)).at(-1);
    expect(finished).toMatchObject({ data: { custody: [{ class: "run_token" }] } });
    expect((await client.secrets.list()).map(({ name }) => name)).toContain("SHARED");
  });
});
