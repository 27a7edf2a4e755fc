import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openVault, VaultError } from "./vault.ts";

const secret = 'sk-canary-+/="%&-4f1c9';
let dir: string;
let outside: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-vault-"));
  outside = await mkdtemp(join(tmpdir(), "airlock-keys-"));
});
afterEach(async () => {
  for (const made of [dir, outside]) await rm(made, { recursive: true, force: true });
});

/** A file of the operator with these keys. */
async function keyFile(...keys: string[]): Promise<string> {
  const path = join(outside, randomUUID());
  await writeFile(path, `${keys.join("\n")}\n`, { mode: 0o600 });
  return path;
}

describe("a vault", () => {
  test("opens after a restart what it sealed before", async () => {
    const sealed = (await openVault({ dir })).seal(secret, "run_1/anthropic");
    expect((await openVault({ dir })).open(sealed, "run_1/anthropic")).toBe(secret);
  });

  test("keeps its key for itself and leaves nothing else behind", async () => {
    await openVault({ dir });
    expect((await stat(join(dir, "key"))).mode & 0o777).toBe(0o600);
    expect((await readFile(join(dir, "key"))).length).toBe(32);
    expect(await readdir(dir)).toEqual(["key"]);
  });

  test("never seals the same secret to the same bytes, nor shows it in them", async () => {
    const vault = await openVault({ dir });
    const [a, b] = [vault.seal(secret, "c"), vault.seal(secret, "c")];
    expect(Buffer.from(a).equals(Buffer.from(b))).toBe(false);
    expect(Buffer.from(a).includes(secret)).toBe(false);
  });

  test("refuses a secret that was sealed for something else", async () => {
    const vault = await openVault({ dir });
    const sealed = vault.seal(secret, "run_1/anthropic");
    expect(() => vault.open(sealed, "run_2/anthropic")).toThrow(/run_2\/anthropic/);
  });

  test("refuses every changed byte, and says nothing of the secret", async () => {
    const vault = await openVault({ dir });
    const sealed = Buffer.from(vault.seal(secret, "c"));
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const open = () => vault.open(changed, "c");
      expect(open).toThrow(VaultError);
      expect(open).not.toThrow(/canary/);
    }
    expect(() => vault.open(sealed.subarray(0, 20), "c")).toThrow(VaultError);
  });

  test("refuses what another key sealed", async () => {
    const [ab, cd] = [await keyFile("ab".repeat(32)), await keyFile("cd".repeat(32))];
    const other = await openVault({ dir, keyFile: ab });
    const vault = await openVault({ dir, keyFile: cd });
    expect(() => vault.open(other.seal(secret, "c"), "c")).toThrow(/another key/);
    expect(await readdir(dir)).toEqual([]);
  });

  test("takes the same key from outside as hex and as base64", async () => {
    const key = Buffer.alloc(32, 7);
    const [hex, base64] = [
      await keyFile(key.toString("hex")),
      await keyFile(key.toString("base64")),
    ];
    const sealed = (await openVault({ dir, keyFile: hex })).seal(secret, "c");
    expect((await openVault({ dir, keyFile: base64 })).open(sealed, "c")).toBe(secret);
    const short = await keyFile("tooshort-canary");
    await expect(openVault({ dir, keyFile: short })).rejects.toThrow(/64 hex digits/);
    await expect(openVault({ dir, keyFile: short })).rejects.not.toThrow(/canary/);
  });

  test("takes a key from outside by a link, and refuses one that everybody may read", async () => {
    const path = await keyFile("ab".repeat(32));
    await symlink(path, `${path}.link`);
    await openVault({ dir, keyFile: `${path}.link` });
    await chmod(path, 0o644);
    await expect(openVault({ dir, keyFile: path })).rejects.toThrow(/mode is 0644/);
    await expect(openVault({ dir, keyFile: `${path}.gone` })).rejects.toThrow(/ENOENT/);
  });

  test.each([0o640, 0o604, 0o660])("refuses a key that others may read", async (mode) => {
    await openVault({ dir });
    await chmod(join(dir, "key"), mode);
    await expect(openVault({ dir })).rejects.toThrow(/expected 0600/);
  });

  test("refuses a key of the wrong size instead of making a new one", async () => {
    await writeFile(join(dir, "key"), "short", { mode: 0o600 });
    await expect(openVault({ dir })).rejects.toThrow(/5 bytes, expected 32/);
    expect(await readFile(join(dir, "key"), "utf8")).toBe("short");
  });

  test("refuses a key that is a link or a directory", async () => {
    await symlink("/etc/hostname", join(dir, "key"));
    await expect(openVault({ dir })).rejects.toThrow(/symbolic link/);
  });

  test("has one key when it is opened many times at once for the first time", async () => {
    const vaults = await Promise.all(Array.from({ length: 8 }, () => openVault({ dir })));
    for (const vault of vaults) {
      for (const other of vaults) expect(other.open(vault.seal(secret, "c"), "c")).toBe(secret);
    }
    await openVault({ dir });
    expect(await readdir(dir)).toEqual(["key"]);
  });

  test("removes the key that a start left unfinished", async () => {
    await writeFile(join(dir, "key.0f8fad5b-d9cb-469f-a165-70867728950e"), "half");
    await writeFile(join(dir, "key.note"), "mine");
    await openVault({ dir });
    expect((await readdir(dir)).sort()).toEqual(["key", "key.note"]);
  });
});
