import { access } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type Provider, providers, RunLimits } from "../contract/submission.ts";
import type { InputSource, SubmitOptions } from "../sdk/sdk.ts";
import { usage } from "./exit.ts";
import { readJsonFile, type ValueReader } from "./read-value.ts";

/** The flags that describe a run. */
export interface RunFlags {
  config?: string;
  model?: string;
  fallbackModel?: string;
  prompt?: string[];
  system?: string;
  agent?: string;
  file?: string[];
  outputDir?: string[];
  metadata?: string[];
  limit?: string[];
  apiKeyEnv?: string[];
  idempotencyKey?: string;
  [key: `${string}ApiKey`]: string | undefined;
}

type Draft = Record<string, unknown>;

/**
 * The submission that flags and `--config` describe together; a flag wins over the file. What is
 * allowed in it is not known here: the client holds it against the contract.
 */
export async function readRunOptions(
  flags: RunFlags,
  reader: ValueReader,
  env: Record<string, string | undefined>,
): Promise<SubmitOptions> {
  const draft: Draft = flags.config === undefined ? {} : await readRunConfig(flags.config);
  const { model, fallbackModel, outputDir, idempotencyKey } = flags;
  const given: Draft = { model, fallbackModel, outputDirs: outputDir, idempotencyKey };
  if (flags.prompt) given.prompt = await readPrompts(flags.prompt, reader);
  if (flags.system !== undefined) given.system = await reader.read("--system", flags.system);
  if (flags.agent !== undefined) {
    given.agent = await readJsonFile("--agent", flags.agent.replace(/^@/, ""));
  }
  if (flags.file) given.files = await Promise.all(flags.file.map(readFileFlag));
  if (flags.metadata) given.metadata = { ...object(draft.metadata), ...pairs(flags.metadata) };
  if (flags.limit) given.limits = { ...object(draft.limits), ...readLimits(flags.limit) };
  const secrets = await readKeys(flags, reader, env);
  if (Object.keys(secrets).length > 0) given.secrets = { ...object(draft.secrets), ...secrets };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) draft[name] = value;
  if (draft.model === undefined) throw usage("No model given", "Give one with --model or --config");
  if (draft.prompt === undefined) {
    throw usage("No prompt given", "Give one with --prompt or --config");
  }
  return draft as unknown as SubmitOptions;
}

/** Paths in a configuration file count from where that file is. */
async function readRunConfig(path: string): Promise<Draft> {
  const config = await readJsonFile("--config", path);
  if (!Array.isArray(config.files)) return config;
  const files = config.files.map((file: unknown) => {
    const { from, ...rest } = object(file);
    return typeof from === "string" ? { ...rest, from: resolve(dirname(path), from) } : file;
  });
  return { ...config, files };
}

async function readPrompts(prompts: string[], reader: ValueReader): Promise<string | string[]> {
  const texts: string[] = [];
  for (const prompt of prompts) texts.push(await reader.read("--prompt", prompt));
  return texts.length === 1 ? (texts[0] ?? "") : texts;
}

/** `PATH` or `PATH=DEST`: an input file. A file whose own name holds the sign is taken by its name. */
export async function readFileFlag(text: string): Promise<InputSource> {
  const at = text.lastIndexOf("=");
  const whole = await access(text).then(
    () => true,
    () => false,
  );
  if (at <= 0 || whole) return { path: basename(text), from: text };
  return { path: text.slice(at + 1), from: text.slice(0, at) };
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

async function readKeys(
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
