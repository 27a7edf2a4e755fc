import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "../test/support/temp-dir.ts";
import { ensureAdminToken } from "./admin-token.ts";
import { systemClock } from "./base/clock.ts";
import { openLog } from "./base/log.ts";
import { openStore, type Store } from "./store/store.ts";

async function openDataDir(): Promise<{ dir: string; store: Store }> {
  const dir = await tempDir();
  const log = openLog("silent");
  const store = await openStore({ dir, clock: systemClock, log, onBroken: () => undefined });
  onTestFinished(() => store.close());
  return { dir, store };
}

const secretIn = (path: string) => readFileSync(path, "utf8").trim();

describe("ensureAdminToken()", () => {
  it("makes a token with every scope, in a file for its owner alone, once", async () => {
    const { dir, store } = await openDataDir();
    const path = await ensureAdminToken(dir, store.tokens);
    expect(path).toBe(join(dir, "admin-token"));
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    const secret = secretIn(path);
    expect(await store.tokens.find(secret)).toMatchObject({
      workspaceName: "default",
      scopes: ["runs", "approve", "admin"],
    });
    await ensureAdminToken(dir, store.tokens);
    expect(secretIn(path)).toBe(secret);
    expect(await store.tokens.count()).toBe(1);
    expect(readdirSync(dir).filter((name) => name.includes("admin-token"))).toEqual([
      "admin-token",
    ]);
  });

  it("makes another after a start that died between the row and the file, and leaves no half", async () => {
    const { dir, store } = await openDataDir();
    const { secret: lost } = await store.tokens.create({
      name: "admin-token",
      workspaceName: "default",
      scopes: ["admin"],
    });
    writeFileSync(join(dir, ".admin-token.half"), "alk_");
    const path = await ensureAdminToken(dir, store.tokens);
    expect(await store.tokens.find(lost)).toBeUndefined();
    expect(await store.tokens.find(secretIn(path))).toBeDefined();
    expect(existsSync(join(dir, ".admin-token.half"))).toBe(false);
  });

  it("makes none again for people who made a token of their own and removed the file", async () => {
    const { dir, store } = await openDataDir();
    const path = await ensureAdminToken(dir, store.tokens);
    await store.tokens.create({ name: "mine", workspaceName: "default", scopes: ["admin"] });
    rmSync(path);
    await ensureAdminToken(dir, store.tokens);
    expect(existsSync(path)).toBe(false);
    expect(await store.tokens.count()).toBe(2);
  });

  it("does not trust a file whose token was revoked", async () => {
    const { dir, store } = await openDataDir();
    const path = await ensureAdminToken(dir, store.tokens);
    const revoked = secretIn(path);
    for (const { id } of await store.tokens.list()) await store.tokens.revoke(id);
    await ensureAdminToken(dir, store.tokens);
    expect(secretIn(path)).not.toBe(revoked);
    expect(await store.tokens.find(secretIn(path))).toBeDefined();
  });
});
