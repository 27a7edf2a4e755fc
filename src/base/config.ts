import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { AgentId } from "../contract/agent.ts";
import { defaultPort } from "../contract/defaults.ts";
import { ModelId, type Provider, providers, type RunBudget } from "../contract/submission.ts";
import { limits } from "./limits.ts";
import type { LogLevel } from "./log.ts";

/** Where a provider is reached and with which of the operator's keys. */
export interface ProviderConfig {
  apiKey?: string;
  baseUrl?: string;
}

/** Everything an operator can set. No setting is needed for a first run. */
export interface Config {
  dataDir: string;
  host: string;
  port: number;
  logLevel: LogLevel;
  /** Runs that work at the same time, in all and of one workspace. The others wait in the queue. */
  runsMax: number;
  runsPerWorkspaceMax: number;
  /** What a run gets when it asks for no limit, and the most it can ask for. */
  runLimits: {
    wallClockSeconds: number;
    turns: number;
    calls: number;
    outputTokens: number;
    diskBytes: number;
    memoryBytes: number;
    callSeconds: number;
    processes: number;
  };
  /** What a run tree gets when its submission asks for none, and the most it can ask for; without one, no limit. */
  budget: RunBudget;
  /** What one workspace may ask of the front door, and how long it waits for a client. */
  frontLimits: {
    submissionsPerMinute: number;
    archivesPerMinute: number;
    exportsPerMinute: number;
    eventStreams: number;
    headersMs: number;
    bodyIdleMs: number;
  };
  uidRange: { first: number; last: number };
  toolchains: string[];
  /**
   * Names, addresses and CIDRs that are not on the public internet and may be reached all the same: by builds whose agent is
   * granted them, and as upstreams of proxy endpoints by whoever submits a run.
   */
  privateHosts: string[];
  /** The proxy that this machine needs to reach the internet. */
  upstreamProxy: URL | undefined;
  /** Where package clients of this machine find their configuration: its environment. */
  packageEnvironment: Record<string, string | undefined>;
  models: Record<Provider | "compatible", ProviderConfig>;
  /** A script file played by the model `scripted/…`; for demonstrations and tests. */
  scriptedModel: string | undefined;
  /** A file with the most that any run may do; without one, what its submission says. */
  grantFile: string | undefined;
  /** Keys of the vault that come from outside, as files: the environment of a process can be read while it runs. */
  vaultKeys: {
    /** 64 hex digits or 32 bytes in base64. Without it, the key is made in the data directory. */
    keyFile: string | undefined;
    /**
     * Keys that were the vault's before, one a line. To change a key from outside, name the new one above and the old
     * one here, and restart: everything is sealed anew at the start, and afterwards this one is needed no more.
     */
    formerKeyFile: string | undefined;
  };
  /** A file with the Ed25519 key that signs archives (PKCS #8, PEM). Without it, one is made in the data directory. */
  attestationKeyFile: string | undefined;
  /** A file with the models that agents get in place of those that their manifests ask for. */
  modelMapFile: string | undefined;
  /** The agent of a run that names neither an agent nor a model. */
  leadAgent: string;
  /** The model that agents may ask when they are at their wits' end. */
  escalationModel: string | undefined;
  /** Prices of models that the built-in table lacks, or has wrong by now. */
  pricesFile: string | undefined;
}

const positiveInt = z.coerce.number().int().positive();

const Environment = z.object({
  AIRLOCK_DATA_DIR: z.string().min(1).optional(),
  AIRLOCK_HOST: z.string().min(1).default("127.0.0.1"),
  AIRLOCK_PORT: z.coerce.number().int().min(0).max(65_535).default(defaultPort),
  AIRLOCK_LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info"),
  AIRLOCK_MAX_RUNS: positiveInt.default(16),
  AIRLOCK_MAX_RUNS_PER_WORKSPACE: positiveInt.default(8),
  AIRLOCK_RUN_WALL_CLOCK_SECONDS: positiveInt.default(3600),
  AIRLOCK_RUN_TURNS: positiveInt.default(200),
  AIRLOCK_RUN_CALLS: positiveInt.default(1000),
  AIRLOCK_RUN_OUTPUT_TOKENS: positiveInt.default(1_000_000),
  AIRLOCK_RUN_DISK_BYTES: positiveInt.default(4 * 1024 ** 3),
  AIRLOCK_RUN_MEMORY_BYTES: positiveInt.default(2 * 1024 ** 3),
  AIRLOCK_CALL_SECONDS: positiveInt.default(600),
  AIRLOCK_RUN_PROCESSES: positiveInt.default(512),
  AIRLOCK_BUDGET_TOKENS: positiveInt.optional(),
  AIRLOCK_BUDGET_USD: z.coerce.number().positive().optional(),
  AIRLOCK_BUDGET_TURNS: positiveInt.optional(),
  AIRLOCK_BUDGET_CALLS: positiveInt.optional(),
  AIRLOCK_BUDGET_SECONDS: z.coerce.number().positive().optional(),
  AIRLOCK_RATE_SUBMISSIONS: positiveInt.default(6_000),
  AIRLOCK_RATE_ARCHIVES: positiveInt.default(30),
  AIRLOCK_RATE_EXPORTS: positiveInt.default(600),
  AIRLOCK_EVENT_STREAMS: positiveInt.default(limits.eventStreams),
  AIRLOCK_HEADERS_SECONDS: positiveInt.default(15),
  AIRLOCK_BODY_IDLE_SECONDS: positiveInt.default(60),
  AIRLOCK_UID_RANGE: z
    .string()
    .regex(/^\d+-\d+$/, "expected FIRST-LAST")
    .default("700000-765535"),
  AIRLOCK_TOOLCHAINS: z.string().default(""),
  AIRLOCK_PRIVATE_HOSTS: z.string().default(""),
  AIRLOCK_UPSTREAM_PROXY: z
    .url({ protocol: /^http$/, error: "expected http://host:port" })
    .optional(),
  AIRLOCK_SCRIPTED_MODEL: z.string().min(1).optional(),
  AIRLOCK_GRANT: z.string().min(1).optional(),
  AIRLOCK_MODEL_MAP: z.string().min(1).optional(),
  AIRLOCK_LEAD_AGENT: AgentId.default("planner.default"),
  AIRLOCK_ESCALATION_MODEL: ModelId.optional(),
  AIRLOCK_PRICES: z.string().min(1).optional(),
  AIRLOCK_VAULT_KEY_FILE: z.string().min(1).optional(),
  AIRLOCK_VAULT_KEY_FORMER_FILE: z.string().min(1).optional(),
  AIRLOCK_ATTESTATION_KEY_FILE: z.string().min(1).optional(),
  OPENAI_COMPATIBLE_API_KEY: z.string().optional(),
  OPENAI_COMPATIBLE_BASE_URL: z.url().optional(),
});

/**
 * The variables that hold the operator's own model keys and base URLs, by provider. `otherApiKeys` are the names under
 * which the same key is found in other tools; they are read when `apiKey` is not set.
 */
export function providerVariables(provider: string): {
  apiKey: string;
  otherApiKeys: readonly string[];
  baseUrl: string;
} {
  const name = provider === "compatible" ? "OPENAI_COMPATIBLE" : provider.toUpperCase();
  const otherApiKeys =
    provider === "google" ? ["GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"] : [];
  return { apiKey: `${name}_API_KEY`, otherApiKeys, baseUrl: `${name}_BASE_URL` };
}

/**
 * Reads the configuration from an environment, the only place that does. Options given on the command line win. Throws
 * an error that names the variable, its value and what was wanted.
 */
export function readConfig(
  env: Record<string, string | undefined>,
  options: Partial<Pick<Config, "dataDir" | "host" | "port" | "logLevel" | "scriptedModel">> = {},
): Config {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0]);
    throw new ConfigError(`Cannot use ${name}=${JSON.stringify(env[name])}: ${issue?.message}`);
  }
  const e = parsed.data;
  const [first = 0, last = 0] = e.AIRLOCK_UID_RANGE.split("-").map(Number);
  if (first < 1000 || last <= first || last > 4_000_000_000) {
    throw new ConfigError(
      `Cannot use AIRLOCK_UID_RANGE=${e.AIRLOCK_UID_RANGE}: expected FIRST-LAST with 1000 <= FIRST < LAST`,
    );
  }
  return {
    dataDir: options.dataDir ?? e.AIRLOCK_DATA_DIR ?? defaultDataDir(env),
    host: options.host ?? e.AIRLOCK_HOST,
    port: options.port ?? e.AIRLOCK_PORT,
    logLevel: options.logLevel ?? e.AIRLOCK_LOG_LEVEL,
    runsMax: e.AIRLOCK_MAX_RUNS,
    runsPerWorkspaceMax: e.AIRLOCK_MAX_RUNS_PER_WORKSPACE,
    runLimits: {
      wallClockSeconds: e.AIRLOCK_RUN_WALL_CLOCK_SECONDS,
      turns: e.AIRLOCK_RUN_TURNS,
      calls: e.AIRLOCK_RUN_CALLS,
      outputTokens: e.AIRLOCK_RUN_OUTPUT_TOKENS,
      diskBytes: e.AIRLOCK_RUN_DISK_BYTES,
      memoryBytes: e.AIRLOCK_RUN_MEMORY_BYTES,
      callSeconds: e.AIRLOCK_CALL_SECONDS,
      processes: e.AIRLOCK_RUN_PROCESSES,
    },
    budget: budgetFrom(e),
    frontLimits: {
      submissionsPerMinute: e.AIRLOCK_RATE_SUBMISSIONS,
      archivesPerMinute: e.AIRLOCK_RATE_ARCHIVES,
      exportsPerMinute: e.AIRLOCK_RATE_EXPORTS,
      eventStreams: e.AIRLOCK_EVENT_STREAMS,
      headersMs: e.AIRLOCK_HEADERS_SECONDS * 1000,
      bodyIdleMs: e.AIRLOCK_BODY_IDLE_SECONDS * 1000,
    },
    uidRange: { first, last },
    toolchains: e.AIRLOCK_TOOLCHAINS.split(":").filter((dir) => dir !== ""),
    privateHosts: e.AIRLOCK_PRIVATE_HOSTS.split(/[\s,]+/).filter((host) => host !== ""),
    upstreamProxy:
      e.AIRLOCK_UPSTREAM_PROXY === undefined ? undefined : new URL(e.AIRLOCK_UPSTREAM_PROXY),
    packageEnvironment: env,
    models: Object.fromEntries(
      [...providers, "compatible"].map((provider) => [provider, providerConfig(provider, env)]),
    ) as Config["models"],
    scriptedModel: options.scriptedModel ?? e.AIRLOCK_SCRIPTED_MODEL,
    grantFile: e.AIRLOCK_GRANT,
    attestationKeyFile: e.AIRLOCK_ATTESTATION_KEY_FILE,
    modelMapFile: e.AIRLOCK_MODEL_MAP,
    leadAgent: e.AIRLOCK_LEAD_AGENT,
    escalationModel: e.AIRLOCK_ESCALATION_MODEL,
    pricesFile: e.AIRLOCK_PRICES,
    vaultKeys: {
      keyFile: e.AIRLOCK_VAULT_KEY_FILE,
      formerKeyFile: e.AIRLOCK_VAULT_KEY_FORMER_FILE,
    },
  };
}

function budgetFrom(e: z.output<typeof Environment>): RunBudget {
  const given = {
    tokens: e.AIRLOCK_BUDGET_TOKENS,
    usd: e.AIRLOCK_BUDGET_USD,
    turns: e.AIRLOCK_BUDGET_TURNS,
    calls: e.AIRLOCK_BUDGET_CALLS,
    wallClockSeconds: e.AIRLOCK_BUDGET_SECONDS,
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as RunBudget;
}

function providerConfig(provider: string, env: Record<string, string | undefined>): ProviderConfig {
  const names = providerVariables(provider);
  const apiKey = [names.apiKey, ...names.otherApiKeys].map((name) => env[name]).find(Boolean);
  const baseUrl = env[names.baseUrl];
  return { ...(apiKey ? { apiKey } : {}), ...(baseUrl ? { baseUrl } : {}) };
}

/** `/var/lib/airlock` for root, `$XDG_DATA_HOME/airlock` (or `~/.local/share/airlock`) for anybody else. */
export function defaultDataDir(env: Record<string, string | undefined>): string {
  if (process.getuid?.() === 0) return "/var/lib/airlock";
  return join(env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "airlock");
}

export class ConfigError extends Error {
  override name = "ConfigError";
}
