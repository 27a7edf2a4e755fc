/**
 * A host under attack: a gateway process, and a way to let a run say any commands to it. What the
 * commands print is only half of an answer; the tests look at the host for the other half.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isEvent, type Run, type RunEvent } from "../../src/sdk/sdk.ts";
import { clientOf, historyOf, type Reachable } from "./airlock-api.ts";
import { findSecret } from "./canary.ts";
import type { GatewayIdentity } from "./escape-identities.ts";
import { everyCommand } from "./every-command.ts";
import { type GatewayStart, type StartedGateway, startGateway } from "./start-gateway.ts";

/** What one call answered to the model. */
export interface CallResult {
  ok: boolean;
  exit_code: number | null;
  stdout: string;
  stderr: string;
  [name: string]: unknown;
}

export interface Attack {
  run: Run;
  history: RunEvent[];
  results: CallResult[];
  /** What the n-th call printed, stdout alone. */
  stdout(call?: number): string;
  /** Everything that came back from the run, as one text to search in. */
  text: string;
}

export interface AttackOptions {
  /** Facts of the host that the commands find as shell variables. */
  facts?: Record<string, string | number>;
  files?: ({ path: string; executable?: boolean } & (
    | { content: string }
    | { bytes: Uint8Array }
  ))[];
  outputDirs?: string[];
  /** A named script of the gateway in place of commands. */
  script?: string;
  /** Called while a command is at `pause`, with the run's directory on the host. */
  during?: (place: { runId: string; directory: string }) => void | Promise<void>;
  /** Members of the submission. */
  submission?: { prompt?: string; metadata?: Record<string, string> };
  /** The caller, when it is not the first token. */
  as?: Reachable;
}

export interface EscapeHost {
  gateway: StartedGateway;
  identity: GatewayIdentity;
  attack(commands: string[], options?: AttackOptions): Promise<Attack>;
  /** Where the gateway has kept any of these secrets: database, log, blobs. */
  keptSecrets(secrets: readonly string[]): string[];
  close(): Promise<void>;
}

/**
 * Whoever attacks may write content and run everything, so that the sandbox is what holds: nothing is refused by the
 * look of a command.
 */
export const attacker = {
  instructions: "You look around.",
  capabilities: [
    { type: "ReadAccess" as const, scopes: ["self.*"] },
    { type: "WriteAccess" as const, scopes: ["self.*"] },
    { type: "CodeExecution" as const, patterns: everyCommand },
  ],
};

/** A shell command that waits until the test on the host has looked around. */
export const pause = "echo PAUSED; until [ -e /workspace/.attack/go ]; do sleep 0.02; done";

const callsMax = 16;

/** `calls-1` … `calls-16`: so many calls, each of which runs one of the attack's files. */
function numberedScripts() {
  const scripts: Record<string, unknown> = {};
  for (let count = 1; count <= callsMax; count++) {
    const calls = Array.from({ length: count }, (_, index) => ({
      tool: "sandbox_exec",
      arguments: {
        command: `. /workspace/.attack/facts; . /workspace/.attack/${index}.sh`,
        // Which it would not have anyway; that it pokes at the network is nothing to ask a person about.
        network: "none",
      },
    }));
    scripts[`calls-${count}`] = { turns: [{ calls }, { text: "That was all." }] };
  }
  return scripts;
}

export async function openEscapeHost(
  identity: GatewayIdentity,
  options: GatewayStart & { scripts?: Record<string, unknown> } = {},
): Promise<EscapeHost> {
  const { scripts, ...start } = options;
  const gateway = await startGateway({
    ...start,
    ...(identity.uid === undefined ? {} : { uid: identity.uid }),
    script: { scripts: { ...numberedScripts(), ...scripts } },
  });
  return {
    gateway,
    identity,
    attack: (commands, attackOptions = {}) => attack(gateway, commands, attackOptions),
    keptSecrets: (secrets) => keptSecrets(gateway, secrets),
    async close() {
      await gateway.stop();
    },
  };
}

async function attack(
  gateway: StartedGateway,
  commands: string[],
  options: AttackOptions,
): Promise<Attack> {
  const caller = options.as ?? gateway;
  const facts = Object.entries(options.facts ?? {}).map(([name, value]) => {
    return `export ${name}='${String(value).replaceAll("'", "'\\''")}'\n`;
  });
  const ours = [
    { path: ".attack/facts", content: facts.join("") },
    ...commands.map((content, index) => ({ path: `.attack/${index}.sh`, content })),
  ];
  const run = await clientOf(caller).submitRun({
    model: `scripted/${options.script ?? `calls-${commands.length}`}`,
    prompt: "Look around.",
    agent: attacker,
    files: [...ours, ...(options.files ?? [])],
    ...(options.outputDirs ? { outputDirs: options.outputDirs } : {}),
    ...options.submission,
  });
  if (options.during) {
    let live = "";
    for await (const event of run.stream({ live: true })) {
      if (event.type !== "call.output") continue;
      live += (event.data as { text: string }).text;
      if (!live.includes("PAUSED")) continue;
      const directory = join(gateway.dataDir, "runs", run.id);
      try {
        await options.during({ runId: run.id, directory });
      } finally {
        writeFileSync(join(directory, "workspace/.attack/go"), "");
      }
      break;
    }
    if (!live.includes("PAUSED")) throw new Error(`The run never paused, it said: ${live}`);
  }
  const ended = await run.wait();
  const history = await historyOf(caller, run.id);
  const finished = history.filter((event) => isEvent(event, "call.finished"));
  const results = finished.map(({ data }) => data.result as CallResult);
  const text = JSON.stringify([ended, history]);
  if (text.includes("bytes are left out here")) {
    throw new Error("A command printed more than a test can read");
  }
  const stdout = (call = 0) => results[call]?.stdout ?? `no call ${call}: ${ended.message}`;
  return { run: ended, history, results, stdout, text };
}

function keptSecrets(gateway: StartedGateway, secrets: readonly string[]): string[] {
  const { dataDir } = gateway;
  const blobs = readdirSync(join(dataDir, "blobs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const database = ["airlock.db", "airlock.db-wal"].map((name) => join(dataDir, name));
  const found: string[] = [];
  for (const path of [...database.filter((name) => existsSync(name)), ...blobs]) {
    const bytes = readFileSync(path);
    for (const secret of secrets) {
      for (const spelling of findSecret(bytes, secret))
        found.push(`${path}: ${secret} ${spelling}`);
    }
  }
  const log = Buffer.from(gateway.log() + gateway.stdout());
  for (const secret of secrets) {
    for (const spelling of findSecret(log, secret)) found.push(`the log: ${secret} ${spelling}`);
  }
  return found;
}
