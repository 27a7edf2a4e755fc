/**
 * The second half of the demo: an agent needs a package of somebody else. It is installed from its registry into a layer,
 * once; the second run takes the layer from the build cache; the program runs with no network, and that is proved.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { processIo } from "../src/cli/io.ts";
import { openPrinter } from "../src/cli/print.ts";
import { openView } from "../src/cli/view.ts";
import { showBytes } from "../src/cli/words.ts";
import { packageConfiguration } from "../src/egress/egress.ts";
import type { Script } from "../src/model/model.ts";
import { type AirlockClient, isEvent, type RunEvent, type RunRef } from "../src/sdk/sdk.ts";

const examples = resolve(import.meta.dirname, "../examples/layers");

/** One way to install something: the files of a project, the command, and what it fills. */
interface Recipe {
  name: "python" | "node";
  title: string;
  hosts: string[];
  install: string;
  capture: { path: string; mount_as: string };
  entrypoint: string;
}

const recipes: Recipe[] = [
  {
    name: "python",
    title: "Python: tabulate, with pip",
    hosts: ["pypi.org", "files.pythonhosted.org"],
    install: "pip install --require-hashes --target /tmp/python_deps -r requirements.txt",
    capture: { path: "/tmp/python_deps", mount_as: "/opt/python_deps" },
    entrypoint: "main.py",
  },
  {
    name: "node",
    title: "Node.js: asciichart, with npm",
    hosts: ["registry.npmjs.org"],
    install: "npm ci",
    capture: { path: "/tmp/node_modules", mount_as: "/opt/node_modules" },
    entrypoint: "main.mjs",
  },
];

/** Every host that this machine's own package clients are told to use, and the registries of the world. */
export function demoHosts(): string[] {
  const { hosts } = packageConfiguration({ env: process.env });
  return [...new Set([...recipes.flatMap((recipe) => recipe.hosts), ...hosts])];
}

/** What a scripted model says in the demo: for each recipe a run that installs, and one that makes use of it. */
export async function layerScripts(): Promise<Record<string, Script>> {
  const scripts: Record<string, Script> = {};
  for (const recipe of recipes) {
    const files = await filesOf(recipe);
    const writes = files.map(({ name, content }) => ({
      tool: "content_write",
      arguments: { name, content },
    }));
    const install = {
      tool: "sandbox_exec",
      arguments: { command: recipe.install, capture_paths: [recipe.capture] },
    };
    const first = { text: "I write the project and install what it needs.", delayMs: 300 };
    const layers = { $result: `0.${files.length}.captured_layers` };
    scripts[`${recipe.name}-install`] = {
      turns: [{ ...first, calls: [...writes, install] }, { text: "That was the installation." }],
    };
    scripts[`${recipe.name}-use`] = {
      turns: [
        { ...first, calls: [...writes, install] },
        {
          text: "I join the program and the layer.",
          calls: [
            {
              tool: "artifact_build",
              arguments: {
                inputs: files.map(({ name }) => name),
                entrypoints: [recipe.entrypoint],
                layers,
              },
            },
          ],
        },
        {
          text: "And run it.",
          calls: [
            {
              tool: "artifact_exec",
              arguments: {
                artifact_ref: { $result: "1.0.artifact_ref" },
                entrypoint: recipe.entrypoint,
              },
            },
          ],
        },
        { text: "It needs no network any more." },
      ],
    };
  }
  return scripts;
}

/** Plays both recipes. False when one failed for another reason than a registry that cannot be reached. */
export async function playLayers(
  airlock: AirlockClient,
  model: string,
  signal: AbortSignal,
): Promise<boolean> {
  say(`\nA package of somebody else: installed once, then used with no network`);
  let good = true;
  for (const recipe of recipes) {
    say(`\n── ${recipe.title}\n`);
    good = (await playRecipe(airlock, model, recipe, signal)) && good;
  }
  return good;
}

async function playRecipe(
  airlock: AirlockClient,
  model: string,
  recipe: Recipe,
  signal: AbortSignal,
): Promise<boolean> {
  const files = await filesOf(recipe);
  const modelOf = (part: "install" | "use") =>
    model === "scripted/demo" ? `scripted/${recipe.name}-${part}` : model;
  const submit = (part: "install" | "use", task: string) =>
    airlock.submitRun({
      ...{ model: modelOf(part), prompt: promptOf(recipe, files, task), agent: agentOf(), signal },
      limits: { turns: 20, wallClockSeconds: 300 },
    });

  const first = await follow(await submit("install", "Do step 1 and step 2, then stop."), signal);
  const installed = layerOf(first);
  if (installed === undefined) return explain(recipe, first);
  const second = await follow(await submit("use", "Do all four steps."), signal);
  const found = layerOf(second);
  const artifact = second.flatMap((event) =>
    isEvent(event, "call.finished") && event.data.artifact ? [event.data.artifact] : [],
  )[0];
  if (found === undefined || artifact === undefined) {
    say(`\n${recipe.title}: no artifact came of the second run`);
    return false;
  }
  const proof = await follow(
    await airlock.artifacts.prove(artifact.artifact_id, { signal }),
    signal,
  );
  const proved = proof.some((event) => isEvent(event, "artifact.proved") && event.data.passed);
  const { layer, ms } = installed;
  say(`
layer    ${layer.layer_id}, ${layer.file_count} files, ${showBytes(layer.size_bytes)}
install  ${ms} ms from the registry${found.layer.cached ? `, ${found.ms} ms from the build cache in the second run` : ""}
artifact ${artifact.artifact_id}, ${proved ? "proved to run with no network" : "did NOT run with no network"}`);
  return proved;
}

/** Follows a run, as people read it, to its end. */
async function follow(run: RunRef, signal: AbortSignal): Promise<RunEvent[]> {
  const printer = openPrinter(processIo(), signal, false);
  const events: RunEvent[] = [];
  try {
    const view = openView(printer, { live: true });
    for await (const event of run.stream({ live: true, signal })) {
      if ("seq" in event) events.push(event);
      await view.show(event);
    }
  } finally {
    printer.close();
  }
  signal.throwIfAborted();
  return events;
}

function layerOf(events: readonly RunEvent[]) {
  for (const event of events) {
    if (!isEvent(event, "call.finished")) continue;
    const layer = event.data.layers?.[0];
    if (layer !== undefined) return { layer, ms: event.data.duration_ms };
  }
  return undefined;
}

/** A registry that is out of reach is not a fault of the demo: it is named, and the demo goes on. */
function explain({ title }: Recipe, events: readonly RunEvent[]): boolean {
  const missed = events.flatMap((event) =>
    isEvent(event, "egress.denied") ? [`${event.data.host} (${event.data.reason})`] : [],
  );
  const tried = [...new Set(missed)].join(", ");
  say(
    tried === ""
      ? `\n${title}: the installation failed; what it printed is above`
      : `\n${title}: cannot reach ${tried}; the demo goes on without it`,
  );
  return tried !== "";
}

async function filesOf({ name }: Recipe): Promise<{ name: string; content: string }[]> {
  const directory = join(examples, name);
  const names = (await readdir(directory)).sort();
  return Promise.all(
    names.map(async (file) => ({
      name: file,
      content: await readFile(join(directory, file), "utf8"),
    })),
  );
}

function agentOf() {
  return {
    id: "demo.packager",
    instructions:
      "You package a program with what it needs. You do exactly the steps that you are given.",
    capabilities: [
      { type: "ReadAccess" as const, scopes: ["self.*"] },
      { type: "WriteAccess" as const, scopes: ["self.*"] },
      { type: "CodeExecution" as const, patterns: ["*" as const] },
      { type: "NetworkAccess" as const, hosts: demoHosts() },
    ],
  };
}

function promptOf(
  recipe: Recipe,
  files: readonly { name: string; content: string }[],
  task: string,
): string {
  const texts = files.map(({ name, content }) => `--- ${name}\n${content}`).join("\n");
  return `1. Write these files with content_write, exactly as they are, in one turn.
2. Call sandbox_exec with command ${JSON.stringify(recipe.install)} and capture_paths [${JSON.stringify(recipe.capture)}]. If it fails, say why and stop.
3. Call artifact_build with all the files as inputs, entrypoints [${JSON.stringify(recipe.entrypoint)}], and the captured_layers of step 2 as layers.
4. Call artifact_exec with its artifact_ref and that entrypoint, and say what it printed.

${task}

${texts}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
