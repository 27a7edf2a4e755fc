/**
 * A run may bring the address of its model with its key. Whole gateways, with real TLS: what is not of the public internet
 * is refused at submission unless the operator lists it, and a listed host must still prove who it is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { findSecret, newCanary } from "./support/canary.ts";
import { answerEvents } from "./support/model-wire.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { openTestAuthority } from "./support/test-authority.ts";

interface ModelServer {
  server: Server;
  port: number;
  /** The credentials that arrived. */
  keys: (string | undefined)[];
}

const directory = mkdtempSync(join(tmpdir(), "airlock-own-address-"));
const authority = openTestAuthority(directory);
const reply = answerEvents([
  { choices: [{ index: 0, delta: { role: "assistant", content: "hello" } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
]);
let honest: ModelServer;
let impostor: ModelServer;
let gateway: StartedGateway;

async function openModelServer(certificate: { key: Buffer; cert: Buffer }): Promise<ModelServer> {
  const keys: (string | undefined)[] = [];
  const server = createServer(certificate, async (asked, answer) => {
    keys.push(asked.headers.authorization);
    const body = await text(asked);
    const { method = "", url: path = "", headers } = asked;
    reply(answer, { method, path, headers, body });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port, keys };
}

beforeAll(async () => {
  honest = await openModelServer(authority.issue("localhost"));
  impostor = await openModelServer(authority.selfSigned("localhost"));
  gateway = await startGateway({
    env: {
      AIRLOCK_PRIVATE_HOSTS: `localhost:${honest.port} localhost:${impostor.port}`,
      AIRLOCK_LOG_LEVEL: "trace",
      NODE_EXTRA_CA_CERTS: authority.certificate,
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
    },
  });
});
afterAll(async () => {
  await gateway?.stop();
  for (const { server } of [honest, impostor]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true });
});

const submit = (baseUrl: string, apiKey = newCanary()) =>
  clientOf(gateway).submitRun({
    ...{ model: "deepseek/deepseek-chat", prompt: "hello" },
    secrets: { deepseek: { apiKey, baseUrl } },
  });

describe("the address that a run brings for its model", () => {
  it("is asked with the run's key when the operator lists it and it proves who it is (H19)", async () => {
    const apiKey = newCanary();
    const run = await submit(`https://localhost:${honest.port}`, apiKey);
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    expect(honest.keys).toEqual([`Bearer ${apiKey}`]);
    const everything = JSON.stringify(await historyOf(gateway, run.id)) + gateway.log();
    expect(findSecret(Buffer.from(everything), apiKey)).toEqual([]);
  });

  it("gets no key when it does not, although the environment turns the check off (H19)", async () => {
    const run = await submit(`https://localhost:${impostor.port}`);
    const ended = await run.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "model_error" });
    expect(ended.message).toContain("could not be reached");
    expect(impostor.keys).toEqual([]);
  });

  it.each([
    "https://127.0.0.1",
    "https://2130706433/v1",
    "https://[::ffff:7f00:1]",
    "https://localhost:1",
    "https://metadata.google.internal",
    "http://api.example.com",
  ])("%s is refused at submission, by its field (H10)", async (baseUrl) => {
    await expect(submit(baseUrl)).rejects.toMatchObject({
      ...{ code: "invalid_request", message: expect.stringContaining("secrets.deepseek.baseUrl") },
    });
  });
});
