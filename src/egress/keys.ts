import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Problem } from "../contract/problem.ts";
import {
  isAbandoned,
  type Key,
  keepKey,
  newKey,
  readKey,
  readKeysFromOutside,
  removeKey,
  replaceKey,
  VaultError,
} from "./key-file.ts";

/** The keys of a vault: one that seals, and those before it, which still open what they sealed. */
export interface Keys {
  present(): Key;
  former(): readonly Key[];
  /**
   * Makes a new key the present one. It and the one before it are on disk before it seals anything. Throws
   * `invalid_request` when the present key comes from outside.
   */
  rotate(): Promise<{ from: string; to: string }>;
  /** Forgets every former key; those from outside stay where they are. Returns the ids. */
  dropFormer(): Promise<string[]>;
}

export interface KeysOptions {
  /** The data directory: the key is `<dir>/key`, made at the first start. */
  dir: string;
  /** A file with the present key: no key is then made in the data directory, and one that is there is a former key. */
  keyFile?: string | undefined;
  /** A file with keys that were the present one before. */
  formerKeyFile?: string | undefined;
}

const formerName = /^key-([0-9a-f]{16})$/;

/** Reads the keys, and makes one where there has never been one. Call it under the lock of the data directory. */
export async function openKeys({ dir, keyFile, formerKeyFile }: KeysOptions): Promise<Keys> {
  const path = join(dir, "key");
  const formerPath = ({ id }: Key) => join(dir, `key-${id}`);
  const outside = keyFile === undefined ? undefined : await readOneKey(keyFile);
  let present = outside ?? (await readKey(path)) ?? (await keepKey(path, newKey()));
  await sweep(dir);
  const own = outside === undefined ? undefined : await readKey(path);
  const brought = formerKeyFile === undefined ? [] : await readKeysFromOutside(formerKeyFile);
  let former = others(present, [...(await readFormer(dir)), ...(own ? [own] : []), ...brought]);
  // A rotation that died before the new key had its place has kept the present one as a former one.
  if (outside === undefined) await removeKey(formerPath(present));

  return {
    present: () => present,
    former: () => former,
    async rotate() {
      if (outside !== undefined) {
        throw new Problem(
          "invalid_request",
          "Cannot make a new key: the vault's key comes from outside. Name a new one with AIRLOCK_VAULT_KEY_FILE and the " +
            "present one with AIRLOCK_VAULT_KEY_FORMER_FILE, then restart",
        );
      }
      const before = present;
      const next = newKey();
      const kept = await keepKey(formerPath(before), before);
      if (kept.id !== before.id) throw unlike(formerPath(before));
      await replaceKey(path, next);
      former = others(next, [before, ...former]);
      present = next;
      return { from: before.id, to: next.id };
    },
    async dropFormer() {
      const dropped = former;
      for (const key of dropped) await removeKey(formerPath(key));
      if (outside !== undefined) await removeKey(path);
      former = [];
      for (const { bytes } of dropped) bytes.fill(0);
      return dropped.map(({ id }) => id);
    },
  };
}

async function readOneKey(path: string): Promise<Key> {
  const [key, ...more] = await readKeysFromOutside(path);
  if (key !== undefined && more.length === 0) return key;
  throw new VaultError(`Cannot use ${path} as a key: it has ${more.length + 1} keys, expected one`);
}

/** A start that died between two steps left a second name of a key, or a key that never became one. */
async function sweep(dir: string): Promise<void> {
  for (const file of await readdir(dir)) {
    const name = /^[^.]*/.exec(file)?.[0] ?? "";
    const isKey = name === "key" || formerName.test(name);
    if (isKey && isAbandoned(file, name)) await rm(join(dir, file), { force: true });
  }
}

async function readFormer(dir: string): Promise<Key[]> {
  const found: Key[] = [];
  for (const file of (await readdir(dir)).sort()) {
    const id = formerName.exec(file)?.[1];
    const key = id === undefined ? undefined : await readKey(join(dir, file));
    if (key === undefined) continue;
    if (key.id !== id) throw unlike(join(dir, file));
    found.push(key);
  }
  return found;
}

function unlike(path: string): VaultError {
  return new VaultError(
    `Cannot use the former key ${path}: it is not the one that its name says; restore it from a backup`,
  );
}

/** Each key once, and the present one not at all. */
function others(present: Key, keys: readonly Key[]): Key[] {
  const byId = new Map(keys.map((key) => [key.id, key]));
  byId.delete(present.id);
  return [...byId.values()];
}
