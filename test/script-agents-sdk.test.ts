/** What code in a sandbox can ask of the gateway through the SDK, what it cannot, and what is left of it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Capability } from "../src/contract/agent.ts";
import { isEvent } from "../src/contract/event.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { identities } from "./support/escape-identities.ts";
import { openSampleStore } from "./support/sample-store.ts";
import { type ScriptRun, type StartedScripts, startScripts } from "./support/script-runs.ts";
import { removeTree } from "./support/temp-dir.ts";

const all: Capability[] = [
  { type: "SandboxFunctions", allowed: ["knowledge.", "state.", "events."] },
];
const sdk = `#!/usr/bin/env python3
import json, os, sys, time
import autonoetic_sdk as sdk
def tried(work):
    try: return work()
    except sdk.AutonoeticSdkError as e: return [type(e).__name__, e.error_type, str(e)]
client = sdk.init()
# One waits for what another has said, through what everybody may read.
def wait_for(id):
    while True:
        found = client.memory.recall(id)
        if found is not None: return found
        time.sleep(0.05)
def say(value): print(json.dumps(value))
# A module that reaches the network would be asked about: this one is the SDK's own.
def unix():
    client.memory._call("events.emit", {"type": "raw"})
    return type(client._socket)(1, 1)
`;
const script = (
  id: string,
  body: string,
  capabilities: Capability[] = all,
  more: ScriptRun["run"] = {},
): ScriptRun => ({
  files: { "main.py": sdk + body },
  agent: { id, capabilities },
  run: more,
});

const scripts = {
  owner: script(
    "owner",
    `
client.memory.remember("fact.private", {"a": [1]}, tags=["x", "y"])
client.memory.remember("fact.shared", "to some", visibility="shared", shared_with=["friend"])
client.memory.remember("fact.global", "to all", visibility="global", scope="notes")
client.memory.remember("fact.ready", True, visibility="global")
say([client.memory.recall("fact.private"), [f["id"] for f in client.memory.search(tags=["y"])]])
`,
  ),
  friend: script(
    "friend",
    `
wait_for("fact.ready")
say([client.memory.recall(i) for i in ("fact.private", "fact.shared", "fact.global")]
    + [sorted(f["id"] for f in client.memory.search("", limit=100) if f["id"].startswith("fact."))])
`,
  ),
  stranger: script(
    "stranger",
    `
wait_for("fact.ready")
say([client.memory.recall("fact.shared"), client.memory.recall("fact.global"),
    tried(lambda: client.memory.remember("fact.private", "mine now")),
    [f["content"] for f in client.memory.search("TO", scope="notes")]])
`,
  ),
  // Anybody may call an inline agent what he likes.
  impostor: {
    ...script(
      "owner",
      `
wait_for("fact.ready")
say([client.memory.recall("fact.private"), tried(lambda: client.memory.remember("fact.shared", 1))])
`,
    ),
  },
  state: script(
    "state",
    `
before = client.state.get_checkpoint("none yet")
client.state.checkpoint({"step": 2})
client.memory.write("a/../../b", [1]); client.memory.write("a", "text"); client.memory.write("a", {"n": None})
client.memory.write("half", chr(0xD83D))
client.events.emit("progress", {"done": 0.5})
say([before, client.state.get_checkpoint(), client.memory.read("a/../../b"), client.memory.read("a"),
    client.memory.read("half"), client.memory.read("c", "no"), client.memory.list_keys()])
`,
  ),
  javascript: {
    files: {
      "main.mjs": `#!/usr/bin/env node
import { init, PolicyViolation } from "autonoetic_sdk";
const client = init();
await client.memory.write("k", { v: 1 });
const refused = await client.events.emit("x").catch((e) => [e instanceof PolicyViolation, e.errorType]);
const [k, keys] = await Promise.all([client.memory.read("k"), client.memory.listKeys()]);
const unsupported = await client.secrets.get("A").catch((e) => e.message.slice(0, 36));
console.log(JSON.stringify([k, keys, refused, unsupported]));
`,
    },
    entry: "main.mjs",
    agent: { id: "js", capabilities: [{ type: "SandboxFunctions", allowed: ["state."] }] },
  } satisfies ScriptRun,
  gated: script(
    "gated",
    `say([tried(lambda: client.memory.read("a")), tried(lambda: client.memory.remember("x", 1)), client.memory.recall("x"),
    tried(lambda: client.tasks.post("x")), tried(lambda: client.memory.recall(""))])`,
    [{ type: "SandboxFunctions", allowed: ["knowledge.recall"] }],
  ),
  granted: script("granted", `say(tried(lambda: client.memory.write("a", 1)))`, all, {
    grant: [
      { type: "CodeExecution", patterns: ["*"] },
      { type: "SandboxFunctions", allowed: ["knowledge."] },
    ],
  }),
  without: script(
    "without",
    `say([tried(lambda: client.memory.read("a")), os.path.exists("/run/airlock-sdk")])`,
    [],
  ),
  socketTricks: script(
    "tricks",
    `
d = "/run/airlock-sdk"
def os_tried(work):
    try: work(); return "done"
    except OSError as e: return e.errno
say([os.listdir(d), os_tried(lambda: os.unlink(d + "/sdk.sock")), os_tried(lambda: os.symlink("/etc", d + "/x")),
    os_tried(lambda: os.rename(d + "/sdk.sock", "/tmp/s"))])
`,
  ),
  raw: script(
    "raw",
    `
def raw(*lines):
    s = unix(); s.settimeout(20); s.connect("/run/airlock-sdk/sdk.sock")
    try:
        for line in lines: s.sendall(line)
        s.shutdown(1)
    except OSError: pass
    text = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece: break
            text += piece
    except OSError: pass
    return [json.loads(l).get("error", {}).get("code") for l in text.split(b"\\n") if l]
say([raw(b"nonsense\\n"), raw(b"[]\\n"), raw(b'{"id":1,"method":{}}\\n'), raw(b"x" * 200000)[:1], raw(b"\\xff\\xfe\\n"),
    raw(b'{"id":1,"method":"memory.read","params":[1]}\\n'), raw(b'{"id":1,"method":"__proto__"}\\n' * 2)])
`,
  ),
  flood: script(
    "flood",
    `
s = unix(); s.settimeout(50); s.connect("/run/airlock-sdk/sdk.sock")
s.sendall(b'{"id":1,"method":"nope"}\\n' * 3000); s.shutdown(1)
said = b""
while True:
    piece = s.recv(65536)
    if not piece: break
    said += piece
codes = [json.loads(l)["error"]["data"]["error_type"] for l in said.split(b"\\n") if l]
many = []
for _ in range(200):
    s = type(client._socket)(1, 1)
    try: s.connect("/run/airlock-sdk/sdk.sock"); many.append(s)
    except OSError: pass
for s in many: s.close()
big = tried(lambda: client.memory.write("big", "x" * 100000))
say([len(codes), codes.count("rate_limit_exceeded") > 500, big[0] if isinstance(big, list) else big])
`,
  ),
} satisfies Record<string, ScriptRun>;

describe.each(identities)("the SDK in a gateway of $name", ({ uid }) => {
  let started: StartedScripts;
  const names = Object.keys(scripts) as (keyof typeof scripts)[];
  beforeAll(async () => {
    const runs = names.map((name): ScriptRun => {
      const run: ScriptRun = scripts[name];
      return name === "impostor" ? { ...run, inline: true } : run;
    });
    started = await startScripts(runs, uid === undefined ? {} : { uid });
  }, 180_000);
  afterAll(async () => {
    await started.gateway.stop();
    await removeTree(started.gateway.dataDir);
  });

  const idOf = (name: keyof typeof scripts) => started.runs[names.indexOf(name)] ?? "";
  const said = async (name: keyof typeof scripts) => {
    const run = await clientOf(started.gateway).run(idOf(name)).wait();
    expect(run).toMatchObject({ status: "succeeded", message: null });
    return JSON.parse(run.reply ?? "");
  };

  it("keeps facts, which their agent finds again", async () => {
    expect(await said("owner")).toEqual([{ a: [1] }, ["fact.private"]]);
  });

  it("shows a fact to those whom it is for, and to nobody else", async () => {
    expect(await said("friend")).toEqual([
      ...[null, "to some", "to all"],
      ["fact.ready", "fact.shared"],
    ]);
    const [shared, global, refused, found] = await said("stranger");
    expect([shared, global, found]).toEqual([null, "to all", ["to all"]]);
    expect(refused).toEqual(["PolicyViolation", "policy_violation", expect.any(String)]);
  });

  it("takes nobody for an installed agent who is none (weakness 10)", async () => {
    const [mine, refused] = await said("impostor");
    expect(mine).toBeNull();
    expect(refused[0]).toBe("PolicyViolation");
  });

  it("keeps values and a checkpoint of the agent, under keys that are no paths", async () => {
    expect(await said("state")).toEqual([
      ...["none yet", { step: 2 }, [1], { n: null }, "\ufffd", "no"],
      ["a", "a/../../b", "half"],
    ]);
    const events = await historyOf(started.gateway, idOf("state"));
    const emitted = events.filter(({ data }) => "emitted" in data);
    expect(emitted.map(({ data }) => data)).toMatchObject([
      { method: "events.emit", emitted: { type: "progress", data: { done: 0.5 } } },
    ]);
  });

  it("is the same for JavaScript, each method with a gate of its own", async () => {
    expect(await said("javascript")).toEqual([
      ...[{ v: 1 }, ["k"], [true, "policy_violation"]],
      'unsupported SDK method "secrets.get"',
    ]);
  });

  it("refuses what no SandboxFunctions covers, what nobody answers, and what is wrong", async () => {
    const [read, remember, recall, tasks, wrong] = await said("gated");
    expect(read.slice(0, 2)).toEqual(["PolicyViolation", "policy_violation"]);
    expect(remember[0]).toBe("PolicyViolation");
    expect(recall).toBeNull();
    expect(tasks).toEqual([
      ...["AutonoeticSdkError", "unsupported"],
      expect.stringContaining('unsupported SDK method "tasks.post"'),
    ]);
    expect(wrong.slice(0, 2)).toEqual(["AutonoeticSdkError", "validation"]);
    const events = await historyOf(started.gateway, idOf("gated"));
    const decided = events.filter((event) => isEvent(event, "sdk.called"));
    expect(decided.map(({ data }) => [data.method, data.decision])).toEqual([
      ...[
        ["memory.read", "deny"],
        ["knowledge.remember", "deny"],
        ["knowledge.recall", "allow"],
      ],
    ]);
  });

  it("is bounded by the grant of the run tree (I13)", async () => {
    expect((await said("granted"))[0]).toBe("PolicyViolation");
  });

  it("is not there at all for an agent without the power", async () => {
    expect(await said("without")).toEqual([
      ["PolicyViolation", "policy_violation", expect.any(String)],
      false,
    ]);
  });

  it("has a socket that the sandbox can neither move nor replace", async () => {
    expect(await said("socketTricks")).toEqual([["sdk.sock"], 30, 30, 18]);
  });

  it("answers what is no request with an error, and cuts what does not end", async () => {
    expect(await said("raw")).toEqual([
      ...[[-32700], [-32700], [-32601], [-32600], [-32700], [-32000], [-32601, -32601]],
    ]);
  });

  it("slows a flood down, and lives", async () => {
    expect(await said("flood")).toEqual([3000, true, "AutonoeticSdkError"]);
    const events = await historyOf(started.gateway, idOf("flood"));
    expect(events.length).toBeLessThan(50);
  });

  it("leaves no socket, and what it wrote is what the journals say", async () => {
    for (const name of names) await clientOf(started.gateway).run(idOf(name)).wait();
    expect(readdirSync(join(started.gateway.dataDir, "runs"))).toEqual([]);
    await started.gateway.stop();
    const store = await openSampleStore(started.gateway.dataDir);
    expect(await store.verify()).toMatchObject({ defects: [] });
    await store.close();
    const database = join(started.gateway.dataDir, "airlock.db");
    const rows = readRows(database);
    const edit = new DatabaseSync(database);
    edit.exec("UPDATE knowledge SET content = '1' WHERE id = 'fact.global'");
    edit.exec("DELETE FROM agent_state WHERE key = 'a/../../b'");
    edit.close();
    const changed = await openSampleStore(started.gateway.dataDir);
    const { defects } = await changed.verify();
    await changed.close();
    expect(defects.map(({ message }) => message).join()).toContain("fact.global");
    expect(defects.map(({ message }) => message).join()).toContain("a/../../b");
    expect(rows.map(({ owner, visibility }) => [owner, visibility])).toEqual([
      ...[
        ["owner", "global"],
        ["owner", "private"],
        ["owner", "global"],
        ["owner", "shared"],
      ],
    ]);
  });
});

function readRows(path: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare("SELECT owner, visibility FROM knowledge ORDER BY id").all();
  } finally {
    db.close();
  }
}
