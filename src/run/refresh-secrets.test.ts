import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { ProxyEndpointPolicy } from "../contract/proxy-endpoint.ts";
import { openVault } from "../egress/egress.ts";
import { openSecretsOf } from "./opened-secrets.ts";
import { sealSecrets, secretsOf } from "./run-secrets.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The secrets of a run with an endpoint that spends API_KEY of its workspace, whose reads the test may hold up. */
async function open(type: "bearer" | "basic", first: string) {
  const dir = mkdtempSync(join(tmpdir(), "airlock-secrets-"));
  closers.push(() => rmSync(dir, { recursive: true }));
  const log = openLog("silent");
  const threads = openThreads({ log });
  closers.push(() => threads.close());
  const vault = await openVault({ dir });
  const endpoint = ProxyEndpointPolicy.parse({
    ...{ name: "api", baseUrl: "https://api.test", authShape: { type } },
    ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
  });
  const given = secretsOf({ proxyEndpointAuth: [{ name: "api", secret: "API_KEY" }] });
  const rows = sealSecrets(vault, "run_1", given);
  const over = new AbortController();
  const state = { present: first, held: new Set<object>(), until: Promise.resolve() };
  const secrets = await openSecretsOf({
    ...{ vault, threads, log, runId: "run_1", workspaceId: "default" },
    endpoints: [endpoint],
    store: { secrets: { get: async () => rows } },
    workspace: {
      async value() {
        const { present, until } = state;
        state.until = Promise.resolve();
        await until;
        return present;
      },
      known: async () => [state.present],
      list: async () => [],
    },
    onCanary: () => undefined,
    onOpened() {
      const mine = {};
      state.held.add(mine);
      return () => void state.held.delete(mine);
    },
    over: over.signal,
  });
  return { secrets, endpoint, over, state };
}

it("a password of the workspace is cut out apart from its user too (H15)", async () => {
  const { secrets } = await open("basic", "robot:Zq9-password-Xw7");
  const redactor = secrets.redactor("proxy");
  expect(redactor.text('{"user":"robot","password":"Zq9-password-Xw7"}')).toBe(
    '{"user":"robot","password":"[redacted]"}',
  );
  expect(redactor.text("a robot:Zq9-password-Xw7 b")).toBe("a [redacted] b");
});

it("what was set last is what is spent, however slowly the change before it was read", async () => {
  const { secrets, endpoint, state } = await open("bearer", "the-first-value");
  const slow = Promise.withResolvers<void>();
  Object.assign(state, { present: "the-second-value", until: slow.promise });
  const second = secrets.refresh();
  await new Promise<void>((resolve) => setImmediate(resolve));
  state.present = "the-third-value";
  const third = secrets.refresh();
  await new Promise<void>((resolve) => setImmediate(resolve));
  slow.resolve();
  await Promise.all([second, third]);
  expect(secrets.credential(endpoint)).toEqual({ type: "bearer", token: "the-third-value" });
});

it("a run that ends while its secrets are read anew leaves none of them with the log", async () => {
  const { secrets, over, state } = await open("bearer", "the-first-value");
  const slow = Promise.withResolvers<void>();
  state.until = slow.promise;
  const reading = secrets.refresh();
  over.abort();
  slow.resolve();
  await reading;
  expect(state.held.size).toBe(0);
});
