import { expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { newId } from "../contract/ids.ts";
import { type ProxyAuthShape, ProxyEndpointPolicy } from "../contract/proxy-endpoint.ts";
import { openVault } from "../egress/egress.ts";
import { openSecretsOf } from "./opened-secrets.ts";
import { type NamedSecret, sealSecrets, secretsOf } from "./run-secrets.ts";

const endpoint = (authShape: ProxyAuthShape) =>
  ProxyEndpointPolicy.parse({
    ...{ name: "login", baseUrl: "https://api.example.org", authShape },
    ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
  });

/** The secrets of a run whose endpoint spends `LOGIN` of its workspace, which has these values. */
async function openRun(
  authShape: ProxyAuthShape,
  values: { present: string | undefined; known: string[] },
  given: NamedSecret[] = secretsOf({ proxyEndpointAuth: [{ name: "login", secret: "LOGIN" }] }),
) {
  const log = openLog("silent");
  const threads = openThreads({ log });
  const over = new AbortController();
  onTestFinished(async () => {
    over.abort();
    await threads.close();
  });
  const vault = await openVault({ dir: await tempDir() });
  const runId = newId("run");
  const sealed = sealSecrets(vault, runId, given);
  const policy = endpoint(authShape);
  const secrets = await openSecretsOf({
    store: { secrets: { get: async () => sealed } },
    workspace: {
      value: async () => values.present,
      known: async () => values.known,
      list: async () => [],
    },
    ...{ vault, threads, log, runId, workspaceId: "ws", endpoints: [policy], over: over.signal },
    onCanary: () => undefined,
    onOpened: () => () => undefined,
  });
  return { secrets, credential: () => secrets.credential(policy) };
}

it("the password of a shared user:password is cut out alone as well, the one before it too", async () => {
  const [old, now] = [newId("token"), newId("token")];
  const known = [`ada:${old}`, `ada:${now}`, "eve:password"];
  const { secrets, credential } = await openRun({ type: "basic" }, { present: known[1], known });
  expect(credential()).toEqual({ type: "basic", username: "ada", password: now });
  const clean = secrets.redactor("proxy").text(`${now} ${btoa(now)} ${old} the password of ada`);
  expect(clean).toBe("[redacted] [redacted] [redacted] the password of ada");
});

it("a shared secret without a colon is not spent as user:password, and any other way it is", async () => {
  const present = newId("token");
  const values = { present, known: [present] };
  expect((await openRun({ type: "basic" }, values)).credential()).toBeUndefined();
  const bearer = await openRun({ type: "bearer" }, values);
  expect(bearer.credential()).toEqual({ type: "bearer", token: present });
});

it("a run from before there were run tokens and canaries is opened without, and hides what it has", async () => {
  const apiKey = newId("token");
  const given = [{ name: "anthropic", value: apiKey }];
  const { secrets } = await openRun({ type: "none" }, { present: undefined, known: [] }, given);
  expect(secrets).toMatchObject({ readable: true, runToken: "", canary: "" });
  expect(secrets.modelKeys).toEqual({ anthropic: apiKey });
  const text = `an ordinary text, and ${apiKey}`;
  expect(secrets.redactor("transcript").text(text)).toBe("an ordinary text, and [redacted]");
  expect(secrets.search().start().push(Buffer.from("an ordinary text"))).toBe(false);
  expect(secrets.search().start().push(Buffer.from(text))).toBe(true);
  expect(secrets.canarySearch.start().push(Buffer.from(text))).toBe(false);
});
