/**
 * Four agents make a program that needs a package, on a gateway of its own with a free port and a throw-away data
 * directory. With a model key in the environment real models play the agents, without one `examples/weather-report` does;
 * everything else is the same.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openModelServer } from "../examples/weather-report/model-server.ts";
import { type Config, providerVariables, readConfig } from "../src/base/config.ts";
import { openLog } from "../src/base/log.ts";
import { providers } from "../src/contract/submission.ts";
import { openGateway } from "../src/gateway.ts";
import { AirlockClient, isEvent, type RunEvent, type RunTreeNode } from "../src/sdk/sdk.ts";
import { demoHosts } from "./demo-layers.ts";
import { demoModels } from "./demo-models.ts";

const message =
  "Make a weather report tool in Python that needs the package requests: weather.py takes a JSON object " +
  '{"city": …, "celsius": […]} as its argument and prints the city with its lowest and highest temperature. ' +
  "Test it, have its package put into a layer, run the artifact once without a network with readings of Bergen, " +
  "and tell me its artifact_ref and what it printed.";

const played = "compatible/parts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interrupted.abort(new Error(`Stopped by ${signal}`)));
}

try {
  process.exitCode = await demo(interrupted.signal);
} catch (error) {
  say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}

async function demo(signal: AbortSignal): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), "airlock-demo-data-"));
  const models = await openModelServer();
  try {
    // Sandboxes run as other users, who must be able to walk through to what is mounted.
    await chmod(dataDir, 0o711);
    const own = readConfig(process.env, { dataDir, host: "127.0.0.1", port: 0 });
    const { model, why } = chooseModel(own);
    const modelMapFile = join(dataDir, "models.json");
    await writeFile(modelMapFile, JSON.stringify({ "*": model }));
    const compatible = { ...own.models.compatible, baseUrl: models.url };
    const config = {
      ...{ ...own, modelMapFile, privateHosts: [...own.privateHosts, ...demoHosts()] },
      models: model === played ? { ...own.models, compatible } : own.models,
    };
    say(`Airlock demo: agents\n\nmodel    ${model}: ${why}`);
    const gateway = await openGateway(config, { log: openLog("error") });
    try {
      say(`gateway  ${gateway.url}, data in ${dataDir} until the demo ends`);
      const token = (await readFile(gateway.adminTokenFile, "utf8")).trim();
      const at = `AIRLOCK_URL=${gateway.url} AIRLOCK_DATA_DIR=${dataDir}`;
      return await play(new AirlockClient({ baseUrl: gateway.url, token }), at, signal);
    } finally {
      await gateway.close();
    }
  } finally {
    await models.close();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

function chooseModel(config: Config): { model: string; why: string } {
  const asked = process.env.AIRLOCK_DEMO_MODEL;
  if (asked) return { model: asked, why: "asked for by AIRLOCK_DEMO_MODEL" };
  const provider = providers.find((name) => config.models[name].apiKey !== undefined);
  if (provider !== undefined) {
    const why = `there is a key of ${provider}; AIRLOCK_DEMO_MODEL picks another model`;
    return { model: demoModels[provider], why };
  }
  const names = providers.map((name) => providerVariables(name).apiKey).join(", ");
  return {
    model: played,
    why: `there is no model key, so examples/weather-report plays the agents\n         With one of ${names}\n         in the environment real models do the same job.`,
  };
}

/** `at`: how another terminal finds the gateway. */
async function play(airlock: AirlockClient, at: string, signal: AbortSignal): Promise<number> {
  const run = await airlock.submitRun({ message, signal });
  say(`run      ${run.id}\nasked    ${message}\n`);
  await follow(airlock, run.id, at, signal);
  signal.throwIfAborted();
  const { root } = await airlock.tree(run.id, { signal });
  say("");
  showTree(root, "");
  say(`\n${root.run.reply ?? root.run.message ?? "(no answer)"}`);
  await saveArtifact(airlock, root.run.reply ?? "", signal);
  return root.run.status === "succeeded" ? 0 : 1;
}

/** Tells what a run does, and follows each task that it gives. */
async function follow(
  airlock: AirlockClient,
  runId: string,
  at: string,
  signal: AbortSignal,
): Promise<void> {
  const { agent } = await airlock.getRun(runId, { signal });
  const name = (agent ?? "built-in").padEnd(17);
  const tasks: Promise<void>[] = [];
  const followed = new Set<string>();
  for await (const event of airlock.run(runId).stream({ signal })) {
    for (const line of linesOf(event, at)) say(`${name}  ${line}`);
    if (!isEvent(event, "wait.started")) continue;
    for (const task of event.data.tasks.filter((id) => !followed.has(id))) {
      followed.add(task);
      tasks.push(follow(airlock, task, at, signal));
    }
  }
  await Promise.all(tasks);
}

function linesOf(event: RunEvent, at: string): string[] {
  if (isEvent(event, "turn.replied")) {
    return event.data.calls.map(({ tool, arguments: args }) => `${tool} ${brief(args)}`);
  }
  if (isEvent(event, "call.finished")) {
    const { ok, exit_code, message: why } = event.data.result as Record<string, unknown>;
    if (ok === true) return [];
    return [`  ↳ ${exit_code === undefined ? String(why) : `exit code ${exit_code}`}`];
  }
  if (isEvent(event, "approval.requested")) {
    const { request_id, summary } = event.data;
    return [
      `  ? ${summary}`,
      `    in another terminal: ${at} bin/airlock approvals approve ${request_id}`,
    ];
  }
  if (isEvent(event, "run.finished")) return [`  = ${event.data.status}`];
  return [];
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > 110 ? `${text.slice(0, 109)}…` : text;
}

function showTree({ run, children }: RunTreeNode, lead: string): void {
  const { turns, calls, handoff } = run;
  const hands = handoff === null ? "" : `, handed over: ${handoff.status}`;
  say(`${lead}${run.agent}  ${run.status}, turns: ${turns}, calls: ${calls}${hands}`);
  for (const child of children) showTree(child, `${lead}  `);
}

/** What was made outlives the demo. */
async function saveArtifact(airlock: AirlockClient, reply: string, signal: AbortSignal) {
  const ref = /ar\.[0-9a-f]+/.exec(reply)?.[0];
  if (ref === undefined) return;
  const to = resolve(`airlock-demo-${ref.slice(3, 11)}.zip`);
  const saved = await airlock.artifacts.export(ref, { format: "zip", to, signal });
  say(
    `\nartifact ${saved.path} (${saved.bytes} bytes), with its manifest and the digest of its layer`,
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
