/** What a script agent may reach and hold: its folder is read before it runs, and a person is asked once for its revision. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/contract/event.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { filesWithSecret, newCanary } from "./support/canary.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { type ScriptRun, submitScripts } from "./support/script-runs.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { removeTree } from "./support/temp-dir.ts";

const sink: NetworkSink = await openSink("127.0.0.6");
afterAll(() => sink.close());
const env = { AIRLOCK_PRIVATE_HOSTS: "127.0.0.6" };
const dataDir = newDataDir();
let gateway: StartedGateway | undefined;
const secret = newCanary();

beforeAll(async () => {
  gateway = await startGateway({ dataDir, env });
  const body = { value: secret };
  expect((await call(gateway, "PUT", "/api/secrets/API_KEY", body)).status).toBeLessThan(300);
});
afterAll(async () => {
  await gateway?.stop();
  await removeTree(dataDir);
});

/** Gives the gateway one more run, of which no other is at work. */
async function start(script: ScriptRun): Promise<string> {
  await gateway?.stop();
  const [id = ""] = await submitScripts(dataDir, [script]);
  gateway = await startGateway({ dataDir, env });
  return id;
}

async function ended(id: string, answer?: "approve" | "deny") {
  if (gateway === undefined) throw new Error("There is no gateway");
  const client = clientOf(gateway);
  const asked = [];
  for await (const event of client.run(id).stream()) {
    if (!isEvent(event, "approval.requested")) continue;
    asked.push(event.data);
    if (answer === "deny") await client.approvals.deny(event.data.request_id, {});
    else await client.approvals.approve(event.data.request_id, {});
  }
  return { run: await client.run(id).get(), asked, events: await historyOf(gateway, id) };
}

const fetching = (input: string, more = ""): ScriptRun => ({
  files: {
    "main.py": `#!/usr/bin/env python3
from reach import get
from autonoetic_sdk import load_invocation
print(get(load_invocation().input)${more})
`,
    "reach.py": `import urllib.request
def get(word): return urllib.request.urlopen("${sink.url}/" + word).status
`,
  },
  agent: { id: "fetcher" },
  run: { prompt: [input] },
});

describe("a script that reaches the network", () => {
  it("is asked about once for its revision, whatever it is given then", async () => {
    const first = await ended(await start(fetching("one")));
    expect(first.run).toMatchObject({ status: "succeeded", reply: "200" });
    expect(first.asked).toMatchObject([
      {
        ...{ tool: "agent_script", default_scope: "agent_revision" },
        subject: { entrypoint: "main.py", files: [{ name: "main.py" }, { name: "reach.py" }] },
        findings: expect.arrayContaining([expect.objectContaining({ file: "/tmp/reach.py" })]),
      },
    ]);
    const second = await ended(await start(fetching("two")));
    expect(second.run).toMatchObject({ status: "succeeded", reply: "200" });
    expect(second.asked).toEqual([]);
    expect(sink.hits()).toEqual(["/one", "/two"]);
  });

  it("is asked about again when a file of it is another", async () => {
    const changed = await ended(await start(fetching("three", ", 'changed'")), "deny");
    expect(changed.asked).toHaveLength(1);
    expect(changed.run).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(sink.hits()).not.toContain("/three");
  });

  it("runs without a question where NetworkAccess covers what it reaches", async () => {
    const script = fetching("four");
    const host = new URL(sink.url).host;
    const agent = {
      ...script.agent,
      capabilities: [{ type: "NetworkAccess" as const, hosts: [host] }],
    };
    const covered = await ended(await start({ ...script, agent }));
    expect(covered.asked).toEqual([]);
    expect(covered.run).toMatchObject({ status: "succeeded", reply: "200" });
    expect(covered.events.map(({ type }) => type)).toContain("egress.allowed");
  });
});

describe("a script that holds a secret", () => {
  const holder: ScriptRun = {
    files: {
      "main.py": `#!/usr/bin/env python3
import os, hashlib
key = os.environ["API_KEY"]
print(key, hashlib.sha256(key.encode()).hexdigest()[:8])
`,
    },
    agent: { id: "holder", credential_env: ["API_KEY"] },
  };

  it("is given it when a person has said yes, and says it nowhere", async () => {
    const { run, asked } = await ended(await start(holder));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ default_scope: "agent_revision" });
    expect(run.status).toBe("succeeded");
    expect(run.reply).not.toContain(secret);
    expect(filesWithSecret(dataDir, secret, ["runtime", "script.json"])).toEqual([]);
    const again = await ended(await start(holder));
    expect(again.asked).toEqual([]);
    expect(again.run.reply).toBe(run.reply);
  });

  it("is not started without it", async () => {
    const missing = { ...holder, agent: { id: "lacks", credential_env: ["NOT_THERE"] } };
    const { run, asked } = await ended(await start(missing));
    expect(asked).toEqual([]);
    expect(run).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(run.message).toContain("NOT_THERE");
  });
});
