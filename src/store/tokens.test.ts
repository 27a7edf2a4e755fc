import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";

describe("tokens", () => {
  it("are found by their secret until they are revoked", async () => {
    const store = await openSampleStore(await tempDir("tokens"));
    const made = await store.tokens.create({
      name: "ci",
      workspaceName: "team-a",
      scopes: ["runs", "approve"],
    });
    expect(made.secret).toMatch(/^airlock_[A-Za-z0-9_-]{43}$/);
    expect(made.token).toMatchObject({ name: "ci", workspaceName: "team-a", revokedAt: null });
    expect(await store.tokens.find(made.secret)).toEqual(made.token);
    expect(await store.tokens.find(`${made.secret.slice(0, -1)}_`)).toBeUndefined();
    expect(await store.tokens.find("")).toBeUndefined();
    const revoked = await store.tokens.revoke(made.token.id);
    expect(revoked?.revokedAt).not.toBeNull();
    expect(await store.tokens.find(made.secret)).toBeUndefined();
    expect(await store.tokens.revoke(made.token.id)).toEqual(revoked);
    expect(await store.tokens.revoke("tok_absent")).toBeUndefined();
    expect(await store.tokens.count()).toBe(1);
  });

  it("share a workspace by its name, even when they are made at once", async () => {
    const store = await openSampleStore(await tempDir("tokens"));
    const create = (workspaceName: string) =>
      store.tokens.create({ name: "t", workspaceName, scopes: ["runs"] });
    const made = await Promise.all([create("a"), create("a"), create("b")]);
    const [one, two, other] = made.map(({ token }) => token.workspaceId);
    expect(one).toBe(two);
    expect(other).not.toBe(one);
    expect((await store.tokens.list()).map((token) => token.workspaceName)).toEqual([
      "a",
      "a",
      "b",
    ]);
  });

  it("leave no secret on the disk", async () => {
    const dir = await tempDir("tokens");
    const store = await openSampleStore(dir);
    const { secret } = await store.tokens.create({
      name: "t",
      workspaceName: "a",
      scopes: ["admin"],
    });
    const onDisk = () =>
      readdirSync(dir)
        .filter((name) => name !== "lock.db")
        .some((name) => readFileSync(join(dir, name)).includes(secret.slice(8)));
    await store.close();
    expect(onDisk()).toBe(false);
  });
});
