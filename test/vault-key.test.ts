/**
 * The key of the vault through a whole gateway: it is changed while runs go on, and a gateway that does not have the key
 * of its secrets does not start.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openSecrets, openVault } from "../src/egress/egress.ts";
import { clientOf } from "./support/airlock-api.ts";
import { openSampleStore } from "./support/sample-store.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { tempDir } from "./support/temp-dir.ts";

const value = "canary-of-the-vault-4f1c9aa2";
let dataDir: string;

beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const keys = () => readdirSync(dataDir).filter((name) => name.startsWith("key"));
const set = (gateway: StartedGateway) => clientOf(gateway).secrets.set("KEY", value);

/** What the stopped gateway's secret opens to. */
async function spent(workspaceId: string, files: { keyFile?: string } = {}) {
  const store = await openSampleStore(dataDir);
  const vault = await openVault({ dir: dataDir, ...files });
  const { workspaceSecrets: rows, sealed } = store;
  const log = openLog("silent");
  const secrets = await openSecrets({ rows, sealed, vault, clock: systemClock, log });
  const found = await secrets.value(workspaceId, "KEY");
  await store.close();
  return found;
}

async function workspaceOf(gateway: StartedGateway): Promise<string> {
  const run = await clientOf(gateway).submitRun({ model: "scripted/x", prompt: "go" });
  return (await run.wait()).workspaceId;
}

describe("the key of the vault", () => {
  it("is changed without a restart, and a kill right afterwards loses nothing", async () => {
    const gateway = await startGateway({ dataDir, script: { turns: [{ text: "done" }] } });
    await set(gateway);
    const workspaceId = await workspaceOf(gateway);
    const { from, to, resealed } = await clientOf(gateway).secrets.rotateKey();
    expect({ resealed, differ: from !== to }).toEqual({ resealed: 2, differ: true });
    await gateway.kill9();
    expect(keys()).toEqual(["key", `key-${from}`]);

    const again = await startGateway({ dataDir });
    // The other one is of the suite: see start-gateway.ts.
    const mine = (await clientOf(again).secrets.list()).filter(({ name }) => name === "KEY");
    expect(mine).toMatchObject([{ name: "KEY", version: 1 }]);
    expect(await workspaceOf(again)).toBe(workspaceId);
    expect(await again.stop()).toBe(0);
    expect(keys()).toEqual(["key"]);
    expect(await spent(workspaceId)).toBe(value);
  });

  it("must be the one that sealed what is there, or nothing starts (J05)", async () => {
    const gateway = await startGateway({ dataDir, script: { turns: [{ text: "done" }] } });
    await set(gateway);
    const workspaceId = await workspaceOf(gateway);
    expect(await gateway.stop()).toBe(0);
    const key = readFileSync(join(dataDir, "key"));
    writeFileSync(join(dataDir, "key"), randomBytes(32), { mode: 0o600 });
    const refused = startGateway({ dataDir });
    await expect(refused).rejects.toThrow(/Cannot open 2 of 2 sealed secrets/);
    await expect(refused).rejects.not.toThrow(value);
    writeFileSync(join(dataDir, "key"), key, { mode: 0o600 });
    expect(await (await startGateway({ dataDir })).stop()).toBe(0);
    expect(await spent(workspaceId)).toBe(value);
  });

  it("can come from outside, takes over what the data directory's own has sealed, and is not in its files", async () => {
    const gateway = await startGateway({ dataDir, script: { turns: [{ text: "done" }] } });
    await set(gateway);
    const workspaceId = await workspaceOf(gateway);
    expect(await gateway.stop()).toBe(0);
    const keyFile = join(await tempDir("key"), "key");
    const key = randomBytes(32);
    writeFileSync(keyFile, key.toString("base64"), { mode: 0o400 });
    const outside = await startGateway({ dataDir, env: { AIRLOCK_VAULT_KEY_FILE: keyFile } });
    expect(keys()).toEqual([]);
    await expect(clientOf(outside).secrets.rotateKey()).rejects.toMatchObject({
      ...{ code: "invalid_request", message: expect.stringContaining("KEY_FORMER_FILE") },
    });
    const environment = readFileSync(`/proc/${outside.pid}/environ`);
    expect(environment.includes(key.toString("base64"))).toBe(false);
    expect(environment.includes(keyFile)).toBe(true);
    expect(await outside.stop()).toBe(0);
    await expect(startGateway({ dataDir })).rejects.toThrow(/sealed by another key/);
    expect(await spent(workspaceId, { keyFile })).toBe(value);
  });
});
