import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { newId } from "../contract/ids.ts";
import type { SealedRow, Store } from "../store/store.ts";
import { openSecrets } from "./secrets.ts";
import { openVault } from "./vault.ts";

const program = join(import.meta.dirname, "../../test/support/vault-process.ts");
const log = openLog("silent");

async function rotateUntil(dir: string, step: number): Promise<string> {
  const child = spawn(process.execPath, [program, dir, String(step)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return said.trim();
}

async function every(store: Store): Promise<SealedRow[]> {
  const all: SealedRow[] = [];
  for (let rows = await store.sealed.batch(null, 60); rows.length > 0; ) {
    all.push(...rows);
    rows = await store.sealed.batch(rows.at(-1)?.key ?? null, 60);
  }
  return all;
}

/** Fills a data directory with secrets of runs and of a workspace; what each row must open to. */
async function fill(dir: string): Promise<Map<string, string>> {
  const store = await openSampleStore(dir);
  const vault = await openVault({ dir });
  const { workspaceSecrets: rows, sealed } = store;
  const secrets = await openSecrets({ rows, sealed, vault, clock: systemClock, log });
  const workspaceId = newId("workspace");
  for (let index = 0; index < 30; index++) {
    const runId = newId("run");
    const names = ["anthropic", "proxy/api", "env/KEY", "run_token"];
    await claimedRun(store, {
      ...{ runId, workspaceId },
      secrets: names.map((name) => ({
        ...{ name, sealed: vault.seal(`${name} of ${runId}`, `${runId}/${name}`) },
      })),
    });
    for (const value of [`old-${index}`, `new-${index}`]) {
      await secrets.set(workspaceId, { name: `KEY_${index}`, value, setBy: "tok_a" });
    }
  }
  const opened = (await every(store)).map(
    ({ key, context, sealed }): [string, string] =>
      [...[key, vault.open(sealed, context)]] as [string, string],
  );
  await store.close();
  return new Map(opened);
}

it("a change of the key that is killed after any step leaves every secret readable, and is brought to its end", async () => {
  const dir = await tempDir("rotation-crash");
  const wanted = await fill(dir);
  expect(wanted.size).toBe(180);
  const killedAfter = new Set<string>();
  for (let step = 1, said = ""; !said.startsWith("resealed"); step++) {
    said = await rotateUntil(dir, step);
    killedAfter.add(said);
    const store = await openSampleStore(dir);
    const vault = await openVault({ dir });
    const rows = await every(store);
    expect(rows).toHaveLength(wanted.size);
    for (const { key, context, sealed } of rows) {
      expect(vault.open(sealed, context)).toBe(wanted.get(key));
    }
    await store.close();
  }
  for (const step of [
    "key written",
    "key named",
    "key replaced",
    "key removed",
    "batch resealed",
  ]) {
    expect(killedAfter).toContain(`killed after ${step}`);
  }

  const store = await openSampleStore(dir);
  const vault = await openVault({ dir });
  expect(vault.keys.former()).not.toEqual([]);
  const { workspaceSecrets: rows, sealed } = store;
  await openSecrets({ rows, sealed, vault, clock: systemClock, log });
  expect(readdirSync(dir).filter((name) => name.startsWith("key"))).toEqual(["key"]);
  for (const row of await every(store)) expect(vault.isCurrent(row.sealed)).toBe(true);
}, 180_000);
