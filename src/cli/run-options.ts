import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Provider, providers, RunLimits } from "../contract/submission.ts";
import type { InputSource, SubmitOptions } from "../sdk/sdk.ts";
import { type BudgetFlags, readBudget } from "./budget-flags.ts";
import {
  type BundleFlags,
  isThere,
  mountedFile,
  readAgentsMd,
  readSkills,
} from "./bundle-flags.ts";
import { addEndpoints, type EndpointFlags } from "./endpoint-flags.ts";
import { type EnvironmentFlags, readEnvironment } from "./environment-flags.ts";
import { usage } from "./exit.ts";
import { addMcp, type McpFlags } from "./mcp-flags.ts";
import { readJsonFile, type ValueReader } from "./read-value.ts";
import { readRunConfig } from "./run-config.ts";

/** The flags that describe a run. */
export interface RunFlags
  extends EndpointFlags,
    BudgetFlags,
    BundleFlags,
    EnvironmentFlags,
    McpFlags {
  config?: string;
  model?: string;
  fallbackModel?: string;
  prompt?: string[];
  system?: string;
  agent?: string;
  message?: string;
  input?: string;
  file?: string[];
  outputDir?: string[];
  metadata?: string[];
  limit?: string[];
  apiKeyEnv?: string[];
  idempotencyKey?: string;
  cleanup?: "retain" | "delete";
  runTimeout?: string;
  [key: `${string}ApiKey`]: string | undefined;
}

type Draft = Record<string, unknown>;

/**
 * The submission that flags and `--config` describe together. A flag wins over the file: a list of flags takes the place of
 * the file's list, and what has a name (metadata, limits, variables, servers, endpoints, secrets) is added to it by name.
 * What is allowed in it is not known here: the client holds it against the contract.
 */
export async function readRunOptions(
  flags: RunFlags,
  reader: ValueReader,
  env: Record<string, string | undefined>,
): Promise<SubmitOptions> {
  const draft: Draft = flags.config === undefined ? {} : await readRunConfig(flags.config);
  const { model, fallbackModel, outputDir, idempotencyKey, runTimeout, cleanup } = flags;
  const given: Draft = { model, fallbackModel, outputDirs: outputDir, idempotencyKey };
  given.timeout = runTimeout;
  if (cleanup !== undefined) given.cleanup = { session: cleanup };
  if (flags.prompt) given.prompt = await readPrompts(flags.prompt, reader);
  if (flags.system !== undefined) given.system = await reader.read("--system", flags.system);
  if (flags.agent !== undefined) given.agent = await readAgent(flags.agent);
  if (flags.message !== undefined) given.message = await reader.read("message", flags.message);
  if (flags.input !== undefined) given.input = await readInput(flags.input, reader);
  const asked = ["prompt", "message", "input"].filter((name) => given[name] !== undefined);
  if (asked.length > 1) throw usage("Give only one of a message, --prompt and --input");
  // A flag wins over the file, whichever of the three the file has.
  if (asked.length > 0) for (const name of ["prompt", "message", "input"]) delete draft[name];
  if (flags.file) given.files = await Promise.all(flags.file.map(readRunFile));
  given.skills = await readSkills(flags);
  given.agentsMd = await readAgentsMd(flags);
  given.environment = readEnvironment(flags, draft.environment);
  if (flags.metadata) given.metadata = { ...object(draft.metadata), ...pairs(flags.metadata) };
  if (flags.limit) given.limits = { ...object(draft.limits), ...readLimits(flags.limit) };
  given.budget = readBudget(flags, draft.budget);
  const secrets = await readKeys(flags, reader, env);
  if (Object.keys(secrets).length > 0) given.secrets = { ...object(draft.secrets), ...secrets };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) draft[name] = value;
  await addEndpoints(draft, flags, reader, env);
  await addMcp(draft, flags, reader, env);
  if (draft.model === undefined && typeof draft.agent === "object") {
    throw usage("No model given", "An inline agent needs one: give it with --model or --config");
  }
  if ([draft.prompt, draft.message, draft.input].every((one) => one === undefined)) {
    throw usage("No prompt given", 'Say what to do: airlock run "…", --prompt or --config');
  }
  return draft as unknown as SubmitOptions;
}

/** An agent of the gateway by its id, or one that a file describes. */
async function readAgent(text: string): Promise<unknown> {
  const isFile = text.startsWith("@") || text.includes("/") || text.endsWith(".json");
  return isFile ? readJsonFile("--agent", text.replace(/^@/, "")) : text;
}

async function readInput(text: string, reader: ValueReader): Promise<unknown> {
  const read = await reader.read("--input", text);
  try {
    return JSON.parse(read);
  } catch {
    throw usage("--input: expected JSON", `A text is JSON in double quotes: --input '"…"'`);
  }
}

async function readPrompts(prompts: string[], reader: ValueReader): Promise<string | string[]> {
  const texts: string[] = [];
  for (const prompt of prompts) texts.push(await reader.read("--prompt", prompt));
  return texts.length === 1 ? (texts[0] ?? "") : texts;
}

/** `PATH` or `PATH=DEST`: an input file. A file whose own name holds the sign is taken by its name. */
export async function readFileFlag(text: string): Promise<InputSource> {
  const { path, target } = await splitTarget(text, /=/g);
  return { path: target ?? basename(path), from: path };
}

/**
 * An input of a run: `PATH`, `PATH=TARGET` or `PATH:TARGET`. A file is placed below /workspace; a directory, or `fil_…` of the
 * workspace, is mounted read-only, by default at /airlock/files/<name>.
 */
async function readRunFile(text: string): Promise<unknown> {
  const { path, target } = await splitTarget(text, /[=:]/g);
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isDirectory || path.startsWith("fil_")) {
    return await mountedFile(path, target === undefined ? {} : { mountPath: target });
  }
  // Both spellings of the same place: the one of the wire, and the one that a program sees.
  const place = (target ?? basename(path)).replace(/^\/workspace\//, "");
  return { path: place, from: path };
}

/** At the first sign behind something that is there; at the first of all when nothing is, so that an error names the path. */
async function splitTarget(text: string, sign: RegExp): Promise<{ path: string; target?: string }> {
  const signs = [...text.matchAll(sign)].map(({ index }) => index).filter((at) => at > 0);
  if (signs.length === 0 || (await isThere(text))) return { path: text };
  let cut = signs[0] ?? 0;
  for (const at of signs) {
    if (!(await isThere(text.slice(0, at)))) continue;
    cut = at;
    break;
  }
  return { path: text.slice(0, cut), target: text.slice(cut + 1) };
}

function pairs(texts: string[]): Record<string, string> {
  return Object.fromEntries(texts.map((text) => splitPair("--metadata", text)));
}

function splitPair(flag: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw usage(`${flag}: expected NAME=VALUE, got ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** The limits of a run, as `NAME=VALUE`. */
export function readLimits(texts: string[]): Record<string, number> {
  const names = Object.keys(RunLimits.shape);
  return Object.fromEntries(
    texts.map((text) => {
      const [name, value] = splitPair("--limit", text);
      if (!names.includes(name)) {
        throw usage(`--limit: no limit ${JSON.stringify(name)}`, `There are: ${names.join(", ")}`);
      }
      if (!/^\d+(\.\d+)?$/.test(value)) {
        throw usage(`--limit ${name}: expected a number, got ${JSON.stringify(value)}`);
      }
      return [name, Number(value)];
    }),
  );
}

/** The run's own model keys, by provider. */
export async function readKeys(
  flags: RunFlags,
  reader: ValueReader,
  env: Record<string, string | undefined>,
): Promise<Partial<Record<Provider, { apiKey: string }>>> {
  const secrets: Partial<Record<Provider, { apiKey: string }>> = {};
  for (const pair of flags.apiKeyEnv ?? []) {
    const [provider, name] = splitPair("--api-key-env", pair);
    if (!isProvider(provider)) {
      const known = `There are: ${providers.join(", ")}`;
      throw usage(`--api-key-env: no provider ${JSON.stringify(provider)}`, known);
    }
    const apiKey = env[name];
    if (!apiKey) throw usage(`--api-key-env: the variable ${JSON.stringify(name)} is not set`);
    secrets[provider] = { apiKey };
  }
  for (const provider of providers) {
    const text = flags[`${provider}ApiKey`];
    if (text === undefined) continue;
    secrets[provider] = { apiKey: (await reader.read(`--${provider}-api-key`, text)).trim() };
  }
  return secrets;
}

function isProvider(name: string): name is Provider {
  return (providers as readonly string[]).includes(name);
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
