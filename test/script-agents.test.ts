/** What the run of a script agent is: no model, one call, the script itself with its input, and its stdout as the reply. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { identities } from "./support/escape-identities.ts";
import { type ScriptRun, type StartedScripts, startScripts } from "./support/script-runs.ts";
import { removeTree } from "./support/temp-dir.ts";

const python = "#!/usr/bin/env python3\n";

/** Says in one JSON object what it was given, each way by itself. */
const tellAll = `${python}
import json, os, sys
from autonoetic_sdk import load_invocation
invocation = load_invocation()
print(json.dumps({
  "input": invocation.input, "has": invocation.has_runtime_input, "meta": invocation.meta,
  "stdin": sys.stdin.read(), "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[0],
  "env": {k: v for k, v in os.environ.items() if k.startswith(("AUTONOETIC_", "AIRLOCK_"))},
  "byPath": open(os.environ["AUTONOETIC_INPUT_PATH"]).read(),
  "workspace": sorted(os.listdir("/workspace")), "tmp": sorted(os.listdir("/tmp")),
  "agent": sorted(os.listdir("/airlock/agent")),
}))
`;

const long = "x".repeat(200_000);

const scripts = {
  text: { files: { "main.py": tellAll }, run: { prompt: ["hello"] } },
  json: {
    files: { "main.py": tellAll },
    run: {
      prompt: [],
      input: { record_id: "abc", n: [1, null] },
      metadata: { delegated_role: "x" },
    },
  },
  long: {
    files: {
      "main.py": `${python}import os\nfrom airlock_sdk import load_invocation\nprint(len(load_invocation().input), "AUTONOETIC_INPUT" in os.environ)\n`,
    },
    run: { prompt: [long] },
  },
  sibling: {
    files: {
      "bin/main.py": `${python}import tools.words, beside\nprint(tools.words.word, beside.word, open("data.txt").read())\n`,
      "bin/beside.py": "word = 'beside'\n",
      "bin/tools/__init__.py": "",
      "bin/tools/words.py": "word = 'deep'\n",
      "data.txt": "data",
    },
    entry: "bin/main.py",
  },
  failing: {
    files: { "main.py": `${python}import sys\nprint("half")\nsys.exit("it went wrong")\n` },
  },
  javascript: {
    files: {
      "main.mjs":
        '#!/usr/bin/env node\nimport { loadInvocation } from "autonoetic_sdk";\nimport other from "airlock_sdk/package.json" with { type: "json" };\nconst { input, hasRuntimeInput, meta } = loadInvocation();\nconsole.log(JSON.stringify({ input, hasRuntimeInput, agent: meta.airlock.agent_id, other: other.name }));\n',
    },
    entry: "main.mjs",
    run: { prompt: [], input: { a: 1 } },
  },
  commonjs: {
    files: {
      "main.cjs":
        '#!/usr/bin/env node\nconst { load_invocation } = require("airlock_sdk");\nconsole.log(load_invocation().input);\n',
    },
    entry: "main.cjs",
    run: { prompt: ["plain"] },
  },
  shell: {
    files: { "run.sh": '#!/bin/sh\nprintf "%s|%s" "$(cat)" "$AUTONOETIC_INPUT"\n' },
    entry: "run.sh",
    run: { prompt: ["said"] },
  },
  noShebang: { files: { "main.py": "print('never')\n" } },
  noFile: { files: { "other.py": python }, entry: "main.py" },
  outputs: {
    files: {
      "main.py": `${python}open("/workspace/out/a.txt", "w").write("made")\nprint("done")\n`,
    },
    run: { outputDirs: ["/workspace/out"] },
  },
  writesAgent: {
    files: {
      "main.py": `${python}
tried = []
for path in ("/airlock/agent/main.py", "/airlock-agent/new", "main.py"):
    try: open(path, "w"); tried.append("written")
    except OSError as e: tried.append(e.errno)
print(tried)
`,
    },
  },
  much: { files: { "main.py": `${python}print("y" * 300_000)\n` } },
  slow: {
    files: { "main.py": `${python}import time\ntime.sleep(600)\n` },
    run: { limits: { callSeconds: 1 } },
  },
  ofManifest: {
    files: { "main.py": `${python}import time\ntime.sleep(600)\n` },
    agent: { limits: { max_execution_time_sec: 1 } },
  },
  bounded: {
    files: { "main.py": `${python}print("never")\n` },
    run: { grant: [{ type: "ReadAccess", scopes: ["*"] }] },
  },
  usesNothing: { files: { "main.py": `${python}print("none")\n` } },
} satisfies Record<string, ScriptRun>;

describe.each(identities)("a script agent in a gateway of $name", ({ uid }) => {
  let started: StartedScripts;
  const names = Object.keys(scripts) as (keyof typeof scripts)[];
  beforeAll(async () => {
    started = await startScripts(Object.values(scripts), uid === undefined ? {} : { uid });
  }, 180_000);
  afterAll(async () => {
    await started.gateway.stop();
    await removeTree(started.gateway.dataDir);
  });

  const ended = async (name: keyof typeof scripts) => {
    const id = started.runs[names.indexOf(name)] ?? "";
    return clientOf(started.gateway).run(id).wait();
  };
  const said = async (name: keyof typeof scripts) => {
    const run = await ended(name);
    expect(run).toMatchObject({ status: "succeeded", stop_reason: "end_turn" });
    return JSON.parse(run.reply ?? "");
  };

  it("is given a text by the SDK, in the environment, by path and on stdin", async () => {
    const told = await said("text");
    expect(told).toMatchObject({
      ...{ input: "hello", has: true, stdin: "hello", byPath: "hello", cwd: "/tmp" },
      env: { AUTONOETIC_INPUT: "hello", AIRLOCK_INPUT: "hello" },
      ...{ argv: ["/airlock/agent/main.py"], workspace: [], tmp: ["main.py"], agent: ["main.py"] },
    });
    expect(told.meta.airlock.agent_id).toBe("script.test");
  });

  it("is given JSON as JSON, and what was said about the run", async () => {
    const told = await said("json");
    expect(told.input).toEqual({ record_id: "abc", n: [1, null] });
    expect(JSON.parse(told.stdin)).toEqual(told.input);
    expect(told.meta).toMatchObject({ delegated_role: "x", airlock: { parent_run_id: null } });
    expect(JSON.parse(told.env.AUTONOETIC_META)).toEqual(told.meta);
  });

  it("is given by path alone what is too long for the environment", async () => {
    expect((await ended("long")).reply).toBe("200000 False");
  });

  it("finds modules and files beside it", async () => {
    expect((await ended("sibling")).reply).toBe("deep beside data");
  });

  it("may be JavaScript, as a module of either kind, or a shell script", async () => {
    expect(await said("javascript")).toEqual({
      ...{ input: { a: 1 }, hasRuntimeInput: true, agent: "script.test", other: "airlock_sdk" },
    });
    expect((await ended("commonjs")).reply).toBe("plain");
    expect((await ended("shell")).reply).toBe("said|said");
  });

  it("fails with the end of what it said on stderr", async () => {
    expect(await ended("failing")).toMatchObject({
      ...{ status: "failed", stop_reason: "program_failed", reply: null },
      message: "The script ended with exit code 1: it went wrong",
    });
  });

  it("is not started without a first line for the kernel, or when it is not there", async () => {
    expect(await ended("noShebang")).toMatchObject({
      ...{ status: "failed", stop_reason: "program_failed" },
      message: 'The script "main.py" has no first line that names its interpreter',
    });
    expect(await ended("noFile")).toMatchObject({ message: 'The agent has no file "main.py"' });
  });

  it("leaves outputs", async () => {
    expect(await ended("outputs")).toMatchObject({ status: "succeeded", reply: "done" });
    const id = started.runs[names.indexOf("outputs")] ?? "";
    const outputs = await clientOf(started.gateway).run(id).outputs();
    expect(outputs.map(({ path }) => path)).toEqual(["/workspace/out/a.txt"]);
  });

  it("cannot change its own folder", async () => {
    expect((await ended("writesAgent")).reply).toBe("[30, 30, 30]");
  });

  it("may say more than a model is shown", async () => {
    const run = await ended("much");
    expect(run.status).toBe("succeeded");
    expect(run.reply).toMatch(/^y{1000,}$/);
  });

  it("is ended by the limits of the call and of its manifest", async () => {
    const slow = await ended("slow");
    expect(slow).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(slow.message).toContain("killed after 1 s");
    expect(await ended("ofManifest")).toMatchObject({
      status: "terminated",
      stop_reason: "deadline",
    });
  });

  it("needs no CodeExecution of its own, and no more than the grant of its tree has (I13)", async () => {
    expect(await ended("usesNothing")).toMatchObject({ status: "succeeded", reply: "none" });
    expect(await ended("bounded")).toMatchObject({
      status: "failed",
      stop_reason: "program_failed",
    });
  });

  it("costs no model call, and its journal says what was decided and done", async () => {
    const run = await ended("usesNothing");
    expect(run).toMatchObject({ model: "none", turns: 1, calls: 1, costUsd: 0 });
    const events = await historyOf(started.gateway, run.id);
    expect(events.map(({ type }) => type)).toEqual([
      ...["run.submitted", "run.started", "run.provisioned", "turn.replied", "call.decided"],
      ...["call.started", "call.finished", "run.finishing", "run.finished"],
    ]);
  });
});
