import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { claimedRun, openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import { SecretInfo } from "../contract/secret.ts";
import type { SealedRow, Store } from "./store.ts";

const begin = Date.UTC(2026, 10, 20, 12);
let time: number;
let dir: string;
let store: Store;
let workspaceId: string;

beforeEach(async () => {
  time = begin;
  const clock: Clock = { ...systemClock, now: () => time };
  dir = await tempDir("workspace-secrets");
  store = await openSampleStore(dir, undefined, clock);
  workspaceId = newId("workspace");
});

const bytes = (text: string) => new TextEncoder().encode(text);
const at = (ms: number) => new Date(begin + ms).toISOString();
const set = (name: string, sealed: string, setBy = "tok_a") =>
  store.workspaceSecrets.set(workspaceId, { name, sealed: bytes(sealed), setBy });

/** Name, version, value and whether it is the present one. */
async function versions(of = workspaceId) {
  return (await store.workspaceSecrets.versions(of)).map(
    ({ name, version, sealed, replacedAt }) =>
      `${name} ${version} ${new TextDecoder().decode(sealed)}${replacedAt === null ? " now" : ""}`,
  );
}

describe("a secret of a workspace", () => {
  it("has a version for every value, and tells who set it and until when the one before is cut out", async () => {
    expect(await set("KEY", "one")).toEqual({
      created: true,
      secret: {
        ...{ name: "KEY", version: 1, createdAt: at(0), updatedAt: at(0), updatedBy: "tok_a" },
        maskedUntil: null,
      },
    });
    time += 1000;
    const { created, secret } = await set("KEY", "two", "tok_b");
    expect(created).toBe(false);
    expect(SecretInfo.parse({ ...secret, updatedBy: newId("token") })).toMatchObject({
      ...{ version: 2, createdAt: at(0), updatedAt: at(1000) },
      maskedUntil: at(1000 + limits.secretMaskedMs),
    });
    expect(secret.updatedBy).toBe("tok_b");
    expect(await store.workspaceSecrets.get(workspaceId, "KEY")).toEqual(secret);
    expect(await versions()).toEqual(["KEY 1 one", "KEY 2 two now"]);
  });

  it("is gone when it is deleted, and its last value is still cut out until it lapses", async () => {
    await set("KEY", "one");
    await set("OTHER", "kept");
    time += 1000;
    expect(await store.workspaceSecrets.delete(workspaceId, "KEY")).toBe(true);
    expect(await store.workspaceSecrets.delete(workspaceId, "KEY")).toBe(false);
    expect(await store.workspaceSecrets.get(workspaceId, "KEY")).toBeUndefined();
    expect((await store.workspaceSecrets.list(workspaceId)).map(({ name }) => name)).toEqual([
      "OTHER",
    ]);
    expect(await versions()).toEqual(["KEY 1 one", "OTHER 1 kept now"]);
    expect(await store.workspaceSecrets.lapse(at(1000))).toBe(0);
    expect(await store.workspaceSecrets.lapse(at(1001))).toBe(1);
    expect(await versions()).toEqual(["OTHER 1 kept now"]);
  });

  it("counts on from a value that is only cut out any more", async () => {
    await set("KEY", "one");
    await store.workspaceSecrets.delete(workspaceId, "KEY");
    time += 1000;
    const again = await set("KEY", "two");
    expect(again).toMatchObject({
      created: true,
      secret: { version: 2, createdAt: at(1000), maskedUntil: at(limits.secretMaskedMs) },
    });
  });

  it("is nobody else's (I14)", async () => {
    await set("KEY", "one");
    const other = newId("workspace");
    const { workspaceSecrets } = store;
    expect(await workspaceSecrets.list(other)).toEqual([]);
    expect(await workspaceSecrets.get(other, "KEY")).toBeUndefined();
    expect(await versions(other)).toEqual([]);
    expect(await workspaceSecrets.delete(other, "KEY")).toBe(false);
    await workspaceSecrets.set(other, { name: "KEY", sealed: bytes("theirs"), setBy: "tok_x" });
    expect(await versions()).toEqual(["KEY 1 one now"]);
  });

  it("has one present value when many set it at once", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => set("KEY", `value ${index}`)));
    const all = await versions();
    expect(all).toHaveLength(20);
    expect(all.filter((one) => one.endsWith("now"))).toEqual(["KEY 20 value 19 now"]);
  });
});

describe("a workspace", () => {
  it("has at most so many secrets, and setting one that it has is no more", async () => {
    const names = Array.from({ length: limits.workspaceSecrets }, (_, index) => `KEY_${index}`);
    await Promise.all(names.map((name) => set(name, name)));
    const refused = { code: "invalid_request", message: expect.stringContaining("500 secrets") };
    await expect(set("ONE_MORE", "x")).rejects.toMatchObject(refused);
    await set("KEY_7", "another");
    await store.workspaceSecrets.delete(workspaceId, "KEY_8");
    await set("ONE_MORE", "x");
    expect(await store.workspaceSecrets.list(workspaceId)).toHaveLength(limits.workspaceSecrets);
  });

  it("keeps at most so many values and bytes, those that are only cut out included", async () => {
    const many = Array.from({ length: limits.workspaceSecretValues }, (_, index) => `v${index}`);
    for (let start = 0; start < many.length; start += 100) {
      await Promise.all(many.slice(start, start + 100).map((value) => set("KEY", value)));
    }
    await expect(set("KEY", "x")).rejects.toThrow(/2000 values of secrets/);
    time += 1;
    await store.workspaceSecrets.lapse(at(1));
    const large = "x".repeat(limits.workspaceSecretBytes - 100);
    await set("LARGE", large);
    await expect(set("LARGE", "y".repeat(200))).rejects.toThrow(/bytes of secrets/);
  });
});

describe("everything that is sealed", () => {
  async function every(most: number): Promise<SealedRow[]> {
    const all: SealedRow[] = [];
    for (let after: string | null = null; ; ) {
      const rows = await store.sealed.batch(after, most);
      expect(rows.length).toBeLessThanOrEqual(most);
      all.push(...rows);
      const last = rows.at(-1);
      if (last === undefined) return all;
      after = last.key;
    }
  }

  it("is found once each, whatever the size of the batches, with what it is sealed for", async () => {
    const run = await claimedRun(store, {
      secrets: ["anthropic", "proxy/a", "run_token"].map((name) => ({
        ...{ name, sealed: bytes(`run ${name}`) },
      })),
    });
    await set("KEY", "one");
    await set("KEY", "two");
    await set("OTHER", "three");
    const contexts = [
      ...["anthropic", "proxy/a", "run_token"].map((name) => `${run.runId}/${name}`),
      ...["KEY", "KEY", "OTHER"].map((name) => `workspace/${workspaceId}/${name}`),
    ];
    for (const most of [1, 2, 3, 4, 100]) {
      const all = await every(most);
      expect(all.map(({ context }) => context)).toEqual(contexts);
      expect(new Set(all.map(({ key }) => key)).size).toBe(contexts.length);
    }
  });

  it("is replaced only where it is as it was", async () => {
    const run = await claimedRun(store, { secrets: [{ name: "anthropic", sealed: bytes("a") }] });
    await set("KEY", "one");
    const rows = await every(100);
    const other = rows.map((row) => ({ ...row, sealed: bytes("else"), resealed: bytes("lost") }));
    await store.sealed.replace(other);
    expect(await versions()).toEqual(["KEY 1 one now"]);
    await store.sealed.replace(rows.map((row) => ({ ...row, resealed: bytes("anew") })));
    expect(await versions()).toEqual(["KEY 1 anew now"]);
    expect(await store.secrets.get(run.runId)).toMatchObject([{ sealed: bytes("anew") }]);
  });

  it("is nowhere in the files of the database once it lapsed and the log was moved", async () => {
    const canary = "sealed-canary-7c1f";
    await set("KEY", canary);
    const found = () =>
      readdirSync(dir).filter((name) => readFileSync(join(dir, name)).includes(canary));
    expect(found()).not.toEqual([]);
    await store.workspaceSecrets.delete(workspaceId, "KEY");
    time += 1;
    await store.workspaceSecrets.lapse(at(1));
    await store.close();
    expect(found()).toEqual([]);
  });
});
