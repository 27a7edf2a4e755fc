import { createCipheriv, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, it } from "vitest";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { openLog } from "../base/log.ts";
import { newId } from "../contract/ids.ts";
import type { Store } from "../store/store.ts";
import { openSecrets, type Secrets } from "./secrets.ts";
import { type KeyedVault, openVault, type VaultOptions } from "./vault.ts";

const day = 24 * 60 * 60_000;
const setBy = "tok_a";
let passed: number;
let dir: string;
let workspaceId: string;
let changed: string[];

beforeEach(async () => {
  passed = 0;
  dir = await tempDir("secrets");
  workspaceId = newId("workspace");
  changed = [];
});

const clock: Clock = {
  ...systemClock,
  now: () => Date.UTC(2026, 10, 20) + passed,
  monotonic: () => passed,
};

interface Opened {
  store: Store;
  vault: KeyedVault;
  secrets: Secrets;
}

async function open(over: Partial<VaultOptions> = {}): Promise<Opened> {
  const store = await openSampleStore(dir, undefined, clock);
  try {
    const vault = await openVault({ dir, ...over });
    const { workspaceSecrets: rows, sealed } = store;
    const onChanged = (id: string) => changed.push(id);
    const log = openLog("silent");
    return {
      store,
      vault,
      secrets: await openSecrets({ rows, sealed, vault, clock, log, onChanged }),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

const keyFiles = () => readdirSync(dir).filter((name) => name.startsWith("key"));

/** What is sealed, byte for byte. */
function sealedBytes(): string[] {
  const db = new DatabaseSync(join(dir, "airlock.db"), { readOnly: true });
  const sql = "select sealed from workspace_secrets union all select sealed from sealed_secrets";
  const rows = db.prepare(sql).all();
  db.close();
  return rows.map(({ sealed }) => Buffer.from(sealed as Uint8Array).toString("hex"));
}

describe("secrets of a workspace", () => {
  it("are spent by name, in their present value, and every change is told", async () => {
    const { secrets } = await open();
    expect(await secrets.value(workspaceId, "KEY")).toBeUndefined();
    await secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    expect(await secrets.value(workspaceId, "KEY")).toBe("first value");
    const again = await secrets.set(workspaceId, { name: "KEY", value: "second value", setBy });
    expect(again).toMatchObject({ created: false, secret: { name: "KEY", version: 2 } });
    expect(await secrets.value(workspaceId, "KEY")).toBe("second value");
    expect(await secrets.list(workspaceId)).toEqual([again.secret]);
    expect(await secrets.delete(workspaceId, "KEY")).toBe(true);
    expect(await secrets.value(workspaceId, "KEY")).toBeUndefined();
    expect(await secrets.get(workspaceId, "KEY")).toBeUndefined();
    expect(changed).toEqual([workspaceId, workspaceId, workspaceId]);
  });

  it("are read back after a restart", async () => {
    const first = await open();
    await first.secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    await first.store.close();
    expect(await (await open()).secrets.value(workspaceId, "KEY")).toBe("first value");
  });

  it("are cut out for 30 days after they were replaced or deleted, and not for ever (J04)", async () => {
    const { secrets } = await open();
    await secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    await secrets.set(workspaceId, { name: "GONE", value: "deleted value", setBy });
    passed += day;
    await secrets.set(workspaceId, { name: "KEY", value: "second value", setBy });
    await secrets.delete(workspaceId, "GONE");
    passed += 30 * day;
    expect(await secrets.sweep()).toBe(0);
    const all = ["deleted value", "first value", "second value"];
    expect((await secrets.known(workspaceId)).sort()).toEqual(all);
    changed = [];
    passed += 1;
    expect(await secrets.sweep()).toBe(2);
    expect(await secrets.known(workspaceId)).toEqual(["second value"]);
    expect(changed).toEqual([workspaceId]);
  });

  it("are of one workspace, also when somebody moves their rows (I14)", async () => {
    const first = await open();
    await first.secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    const other = newId("workspace");
    expect(await first.secrets.value(other, "KEY")).toBeUndefined();
    expect(await first.secrets.known(other)).toEqual([]);
    await first.store.close();
    const db = new DatabaseSync(join(dir, "airlock.db"));
    db.prepare("update workspace_secrets set workspace_id = ?").run(other);
    db.close();
    const { secrets } = await open();
    expect(await secrets.list(other)).toHaveLength(1);
    expect(await secrets.value(other, "KEY")).toBeUndefined();
    expect(await secrets.known(other)).toEqual([]);
  });

  it("are nowhere in the files of the data directory in a readable form", async () => {
    const canary = 'sk-"canary"+/=%&\n-4f1c9aa2';
    const { store, secrets, vault } = await open();
    const runId = newId("run");
    const sealed = vault.seal(canary, `${runId}/env/KEY`);
    await claimedRun(store, { runId, workspaceId, secrets: [{ name: "env/KEY", sealed }] });
    await secrets.set(workspaceId, { name: "KEY", value: canary, setBy });
    expect(await secrets.value(workspaceId, "KEY")).toBe(canary);
    await secrets.rotateKey();
    await secrets.set(workspaceId, { name: "KEY", value: `${canary}2`, setBy });
    await secrets.delete(workspaceId, "KEY");
    const shapes = [canary, Buffer.from(canary).toString("hex"), encodeURIComponent(canary)];
    for (const skip of [0, 1, 2]) {
      shapes.push(Buffer.from(canary.slice(skip)).toString("base64").slice(0, -4));
    }
    const holds = (bytes: Buffer) => shapes.some((shape) => bytes.includes(shape));
    const found = () => readdirSync(dir).filter((name) => holds(readFileSync(join(dir, name))));
    // With the log, and without it.
    expect(found()).toEqual([]);
    await store.close();
    expect(found()).toEqual([]);
    // The search finds what is there.
    writeFileSync(join(dir, "control"), `x${canary}x`);
    expect(found()).toEqual(["control"]);
  });
});

describe("a change of the key", () => {
  it("seals everything anew, and the key before it goes when nothing needs it", async () => {
    const { store, vault, secrets } = await open();
    const runId = newId("run");
    const sealed = vault.seal("value of the run", `${runId}/anthropic`);
    await claimedRun(store, { runId, secrets: [{ name: "anthropic", sealed }] });
    await secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    await secrets.set(workspaceId, { name: "KEY", value: "second value", setBy });
    const before = sealedBytes();
    const { from, to, resealed } = await secrets.rotateKey();
    expect(resealed).toBe(3);
    expect(vault.keys.present().id).toBe(to);
    expect(keyFiles()).toEqual(["key", `key-${from}`]);
    expect(sealedBytes().filter((bytes) => before.includes(bytes))).toEqual([]);
    expect(await secrets.value(workspaceId, "KEY")).toBe("second value");
    passed += limits.vaultFormerKeyMs;
    await secrets.sweep();
    expect(keyFiles()).toEqual(["key"]);
    await store.close();
    const later = await open();
    expect(await later.secrets.known(workspaceId)).toEqual(["first value", "second value"]);
    const [row] = await later.store.secrets.get(runId);
    expect(later.vault.open(row?.sealed ?? Buffer.of(), `${runId}/anthropic`)).toBe(
      "value of the run",
    );
  });

  it("loses nothing that was sealed before it and written down after it", async () => {
    const { store, vault, secrets } = await open();
    const sealed = vault.seal("on its way", `workspace/${workspaceId}/LATE`);
    await secrets.rotateKey();
    await store.workspaceSecrets.set(workspaceId, { name: "LATE", sealed, setBy });
    await secrets.sweep();
    expect(keyFiles()).toHaveLength(2);
    passed += limits.vaultFormerKeyMs;
    await secrets.sweep();
    expect(keyFiles()).toEqual(["key"]);
    await store.close();
    expect(await (await open()).secrets.value(workspaceId, "LATE")).toBe("on its way");
  });

  it("is safe beside others, and beside secrets that are set meanwhile", async () => {
    const { store, secrets } = await open();
    const names = Array.from({ length: 40 }, (_, index) => `KEY_${index}`);
    const set = (name: string, value: string) => secrets.set(workspaceId, { name, value, setBy });
    await Promise.all(names.map((name) => set(name, `old ${name}`)));
    const rotations = [secrets.rotateKey(), secrets.rotateKey()];
    const sets = names.map((name) => set(name, `new ${name}`));
    rotations.push(secrets.rotateKey());
    const changes = await Promise.all(rotations);
    await Promise.all(sets);
    expect(changes.map(({ from }) => from).slice(1)).toEqual(
      changes.map(({ to }) => to).slice(0, -1),
    );
    await store.close();
    const later = await open();
    expect(keyFiles()).toEqual(["key"]);
    for (const name of names) {
      expect(await later.secrets.value(workspaceId, name)).toBe(`new ${name}`);
    }
    expect(await later.secrets.known(workspaceId)).toHaveLength(80);
  });

  it("takes what an earlier version sealed, without a key id, along", async () => {
    const { store, vault, secrets } = await open();
    const context = `workspace/${workspaceId}/OLD`;
    const sealed = sealAsBefore(vault.keys.present().bytes, "value of old", context);
    await store.workspaceSecrets.set(workspaceId, { name: "OLD", sealed, setBy });
    expect(await secrets.value(workspaceId, "OLD")).toBe("value of old");
    await store.close();
    const later = await open();
    expect((await later.secrets.rotateKey()).resealed).toBe(1);
    expect(await later.secrets.value(workspaceId, "OLD")).toBe("value of old");
    await later.store.close();
    expect(await (await open()).secrets.value(workspaceId, "OLD")).toBe("value of old");
    expect(sealedBytes().every((bytes) => bytes.startsWith("02"))).toBe(true);
  });

  it("from outside is made by a restart with both keys", async () => {
    const [a, b] = ["ab".repeat(32), Buffer.alloc(32, 9).toString("base64")];
    const outside = await tempDir("keys");
    const file = (name: string, keys: string) => {
      writeFileSync(join(outside, name), keys, { mode: 0o600 });
      return join(outside, name);
    };
    const inside = await open();
    await inside.secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    await inside.store.close();

    // The key of the data directory gives way to one from outside, and goes.
    const first = await open({ keyFile: file("a", a) });
    expect(await first.secrets.value(workspaceId, "KEY")).toBe("first value");
    expect(keyFiles()).toEqual([]);
    await expect(first.secrets.rotateKey()).rejects.toMatchObject({
      ...{ code: "invalid_request", message: expect.stringContaining("KEY_FORMER_FILE") },
    });
    await first.store.close();

    await expect(open({ keyFile: file("b", b) })).rejects.toThrow(/1 of 1 sealed secrets/);
    const second = await open({ keyFile: file("b", b), formerKeyFile: file("a", `${a}\n`) });
    expect(await second.secrets.value(workspaceId, "KEY")).toBe("first value");
    await second.store.close();
    const third = await open({ keyFile: file("b", b) });
    expect(await third.secrets.value(workspaceId, "KEY")).toBe("first value");
  });
});

describe("a wrong key", () => {
  async function filled(): Promise<void> {
    const { store, secrets, vault } = await open();
    const runId = newId("run");
    const sealed = vault.seal("value of the run", `${runId}/anthropic`);
    await claimedRun(store, { runId, secrets: [{ name: "anthropic", sealed }] });
    await secrets.set(workspaceId, { name: "KEY", value: "first value", setBy });
    await store.close();
  }

  it.each([
    ["another one", () => writeFileSync(join(dir, "key"), randomBytes(32), { mode: 0o600 })],
    ["none", () => rmSync(join(dir, "key"))],
  ])("is refused as a whole, in a sentence, and nothing is changed: %s (J05)", async (_, spoil) => {
    await filled();
    const key = readFileSync(join(dir, "key"));
    const before = sealedBytes();
    spoil();
    await expect(open()).rejects.toMatchObject({
      name: "VaultError",
      message: expect.stringMatching(/^Cannot open 2 of 2 sealed secrets.*Restore the key files/),
    });
    await expect(open()).rejects.not.toThrow(/first value|value of the run/);
    expect(sealedBytes()).toEqual(before);
    writeFileSync(join(dir, "key"), key, { mode: 0o600 });
    expect(await (await open()).secrets.value(workspaceId, "KEY")).toBe("first value");
  });

  it("is refused when it opens some and not others (J05)", async () => {
    await filled();
    const key = readFileSync(join(dir, "key"));
    // Another data directory's secret beside our own.
    const { store, secrets } = await open();
    const theirs = await openVault({ dir: await tempDir("other") });
    const sealed = theirs.seal("their value", `workspace/${workspaceId}/THEIRS`);
    await store.workspaceSecrets.set(workspaceId, { name: "THEIRS", sealed, setBy });
    expect(await secrets.value(workspaceId, "THEIRS")).toBeUndefined();
    await store.close();
    await expect(open()).rejects.toThrow(/1 of 3 sealed secrets.*THEIRS/);
    expect(readFileSync(join(dir, "key")).equals(key)).toBe(true);
  });

  it("is told from one damaged secret, which ends no gateway", async () => {
    await filled();
    const { store } = await open();
    const [row] = await store.workspaceSecrets.versions(workspaceId);
    await store.close();
    const damaged = Buffer.from(row?.sealed ?? []);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    const db = new DatabaseSync(join(dir, "airlock.db"));
    db.prepare("update workspace_secrets set sealed = ?").run(damaged);
    db.close();
    const { secrets } = await open();
    expect(await secrets.value(workspaceId, "KEY")).toBeUndefined();
    await secrets.set(workspaceId, { name: "KEY", value: "set again", setBy });
    expect(await secrets.value(workspaceId, "KEY")).toBe("set again");
    expect(await secrets.rotateKey()).toMatchObject({ resealed: 2 });
  });

  it("is refused for what an earlier version sealed, too (J05)", async () => {
    const { store } = await open();
    for (const name of ["A", "B"]) {
      const sealed = sealAsBefore(randomBytes(32), "value", `workspace/${workspaceId}/${name}`);
      await store.workspaceSecrets.set(workspaceId, { name, sealed, setBy });
    }
    await store.close();
    await expect(open()).rejects.toThrow(/2 of 2 sealed secrets/);
  });
});

/** The first form: a version, nonce, body, tag. */
function sealAsBefore(key: Buffer, plain: string, context: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
  return Buffer.concat([Buffer.of(1), nonce, body, cipher.getAuthTag()]);
}
