/**
 * Runs of script agents as the journal has them: written into a data directory before a gateway is started on it, so that a
 * test needs no installed agent, and says itself what each agent is.
 */
import { chownSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureAdminToken } from "../../src/admin-token.ts";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads } from "../../src/base/threads.ts";
import { openBlobs } from "../../src/content/content.ts";
import type { RunParent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { RunSnapshot } from "../../src/contract/submission.ts";
import { openStore } from "../../src/store/store.ts";
import { digestOf } from "./sample-store.ts";
import {
  type GatewayStart,
  newDataDir,
  type StartedGateway,
  startGateway,
} from "./start-gateway.ts";

export interface ScriptRun {
  /** Of the agent's folder. Default of the entry: `main.py`. */
  files: Record<string, string>;
  entry?: string;
  agent?: Partial<NonNullable<RunSnapshot["agent"]>>;
  /** The rest of the submission. */
  run?: Partial<Omit<RunSnapshot, "agent" | "model">>;
  parent?: RunParent;
  /** It has no revision: nobody installed it. */
  inline?: true;
}

export interface StartedScripts {
  gateway: StartedGateway;
  /** In the order in which they were given. */
  runs: string[];
}

/** Submits the runs, then starts a gateway that drives them. */
export async function startScripts(
  scripts: readonly ScriptRun[],
  options: GatewayStart = {},
): Promise<StartedScripts> {
  const dataDir = options.dataDir ?? newDataDir(options.uid);
  const runs = await submitScripts(dataDir, scripts);
  if (options.uid !== undefined) giveAway(dataDir, options.uid);
  return { gateway: await startGateway({ ...options, dataDir }), runs };
}

/** Writes the runs into the journals of a data directory that no gateway has open. */
export async function submitScripts(
  dataDir: string,
  scripts: readonly ScriptRun[],
): Promise<string[]> {
  const log = openLog("silent");
  const onBroken = (error: unknown) => {
    throw error;
  };
  const threads = openThreads({ log });
  const store = await openStore({ dir: dataDir, clock: systemClock, log, onBroken });
  try {
    await ensureAdminToken(dataDir, store.tokens);
    const [token] = await store.tokens.list();
    if (token === undefined) throw new Error("There is no token");
    const blobs = await openBlobs({ dir: dataDir, clock: systemClock, log, threads, onBroken });
    const ids: string[] = [];
    for (const { files, entry = "main.py", agent, run, parent, inline } of scripts) {
      const folder = Object.entries(files).map(async ([path, text]) => ({
        path,
        ...(await blobs.put(Buffer.from(text))),
        executable: false,
      }));
      const snapshot: RunSnapshot = {
        ...{ model: "none", prompt: ["go"], ...run },
        agent: {
          ...{ id: "script.test", instructions: "A script", capabilities: [] },
          ...(inline ? {} : { revision: digestOf(JSON.stringify(files)) }),
          execution_mode: "script",
          ...{ script_entry: entry, files: await Promise.all(folder), ...agent },
        },
      };
      const runId = newId("run");
      const submitted = await store.journal.submit({
        ...{ runId, workspaceId: token.workspaceId, idempotencyKey: null, snapshot },
        ...{ bodyHash: digestOf("body"), secrets: [], submittedBy: token.id },
        ...(parent ? { parent } : {}),
      });
      if (submitted.type !== "created") throw new Error(submitted.type);
      ids.push(runId);
    }
    return ids;
  } finally {
    await store.close();
    await threads.close();
  }
}

function giveAway(path: string, uid: number): void {
  chownSync(path, uid, uid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveAway(join(path, name), uid);
}
