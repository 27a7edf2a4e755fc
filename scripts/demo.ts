/**
 * The main job from end to end, on a gateway of its own with a free port and a throw-away data directory: a run gets a
 * data file, writes a program, fails, corrects it, and hands back files in one zip. With a model key in the environment
 * a real model does it, without one a script plays the model; everything else is the same. Then a program with a package
 * of somebody else, from the registry to a layer to a sandbox without network: `demo-layers.ts`.
 */
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { type Config, providerVariables, readConfig } from "../src/base/config.ts";
import { openLog } from "../src/base/log.ts";
import { processIo } from "../src/cli/io.ts";
import { openPrinter } from "../src/cli/print.ts";
import { openView } from "../src/cli/view.ts";
import { providers } from "../src/contract/submission.ts";
import { openGateway } from "../src/gateway.ts";
import type { Script } from "../src/model/model.ts";
import { AirlockClient, type Run } from "../src/sdk/sdk.ts";
import { demoHosts, layerScripts, playLayers } from "./demo-layers.ts";
import { demoModels } from "./demo-models.ts";
import { unpackOutputs } from "./unpack-outputs.ts";

const example = resolve(import.meta.dirname, "../examples/demo");

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
  try {
    // Sandboxes run as other users, who must be able to walk through to what is mounted.
    await chmod(dataDir, 0o711);
    const own = readConfig(process.env, { dataDir, host: "127.0.0.1", port: 0 });
    // Whoever plays the demo trusts the registries by name, also where a mirror of them has a private address.
    const config = { ...own, privateHosts: [...own.privateHosts, ...demoHosts()] };
    const { model, why } = chooseModel(config);
    say(`Airlock demo\n\nmodel    ${model}: ${why}`);
    const script = JSON.parse(await readFile(join(example, "script.json"), "utf8")) as Script;
    const scripts = { demo: script, ...(await layerScripts()) };
    const gateway = await openGateway(config, { script: { scripts }, log: openLog("error") });
    try {
      say(`gateway  ${gateway.url}, data in ${dataDir} until the demo ends`);
      const token = (await readFile(gateway.adminTokenFile, "utf8")).trim();
      const airlock = new AirlockClient({ baseUrl: gateway.url, token });
      if (!(await playRun(airlock, model, signal))) return 1;
      if (!(await playLayers(airlock, model, signal))) return 1;
      showNext();
      return 0;
    } finally {
      await gateway.close();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function playRun(
  airlock: AirlockClient,
  model: string,
  signal: AbortSignal,
): Promise<boolean> {
  const run = await airlock.submitRun({
    model,
    prompt: await readFile(join(example, "prompt.md"), "utf8"),
    files: [{ path: "sales.csv", from: join(example, "sales.csv") }],
    outputDirs: ["/workspace/outputs"],
    limits: { turns: 40, wallClockSeconds: 900 },
    signal,
  });
  say(`run      ${run.id}, with sales.csv as its input\n`);
  const printer = openPrinter(processIo(), signal, false);
  try {
    const view = openView(printer, { live: true });
    for await (const event of run.stream({ live: true, signal })) await view.show(event);
  } finally {
    printer.close();
  }
  signal.throwIfAborted();

  const ended = await run.get({ signal });
  const dir = await resultDir();
  const zip = await run.download({ to: join(dir, `${run.id}.zip`), signal });
  const files = await unpackOutputs(zip.path, dir);
  showResult(ended, dir, zip, files);
  const report = files.find((file) => file.name.endsWith(".md"));
  if (report !== undefined) await showHead(report.path);
  if (ended.status === "succeeded") return true;
  say(`\nThe run did not succeed: ${ended.status}, ${ended.stop_reason}. ${ended.message ?? ""}`);
  return false;
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
    model: "scripted/demo",
    why: `there is no model key, so a script plays the model\n         With one of ${names}\n         in the environment a real model does the same job.`,
  };
}

/** A new directory for what stays when the demo is over: here, or where everybody may write. */
async function resultDir(): Promise<string> {
  const stamp = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
  const name = `airlock-demo-${stamp}`;
  try {
    await mkdir(name);
    return resolve(name);
  } catch {
    return await mkdtemp(join(tmpdir(), `${name}-`));
  }
}

function showResult(
  run: Run,
  dir: string,
  zip: { path: string; bytes: number },
  files: { name: string; path: string; bytes: number }[],
): void {
  const isolation = run.isolation;
  say(`\nresult   ${run.status} after ${run.turns} turns and ${run.calls} calls`);
  if (isolation !== null) {
    say(
      `sandbox  ${isolation.sandbox}, isolation grade ${isolation.grade}, limits by ${isolation.limits}`,
    );
  }
  say(`journal  ${run.lastSeq} events, head ${run.head.slice(0, 16)}…`);
  say(`archive  ${here(zip.path)} (${zip.bytes} bytes)`);
  say(`files    ${here(dir)}/outputs`);
  for (const file of files) say(`           ${file.name.padEnd(16)} ${file.bytes} bytes`);
}

async function showHead(path: string): Promise<void> {
  const lines = (await readFile(path, "utf8")).split("\n").slice(0, 12);
  say(`\n${lines.map((line) => `  │ ${line}`).join("\n")}`);
}

function showNext(): void {
  say(`
Next
  bin/airlock serve        a gateway that stays; it prints its address and where its token is
  bin/airlock run --help   the same job from the command line
  bin/airlock doctor       what this host gives a sandbox
  README.md                the tour with curl, SDK and CLI`);
}

function here(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
