import { createHash, randomBytes, randomUUID } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** A key of the vault, and how sealed bytes name it. */
export interface Key {
  /** 16 hex digits: the start of its SHA-256, which tells nothing about it. */
  id: string;
  bytes: Buffer;
}

/** The vault cannot be used as it is found. Its message never holds a key or a secret. */
export class VaultError extends Error {
  override name = "VaultError";
}

export const keyBytes = 32;
export const keyIdBytes = 8;
/** Tests of a change of the key that is cut off listen here: one message after every step. */
export const stepChannel = channel("airlock:vault.step");
/** Of a file with keys from outside: far more than it can hold. */
const outsideBytesMax = 4096;
const outsideKeysMax = 16;

export function keyOf(bytes: Buffer): Key {
  const id = createHash("sha256").update(bytes).digest().subarray(0, keyIdBytes).toString("hex");
  return { id, bytes };
}

export function newKey(): Key {
  return keyOf(randomBytes(keyBytes));
}

/** Undefined when there is no such file. A key that others can read is refused: it may be known already. */
export async function readKey(path: string): Promise<Key | undefined> {
  const file = await openKey(path);
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new VaultError(`Cannot use ${path} as a key: it is not a file`);
    if ((stat.mode & 0o177) !== 0) {
      throw new VaultError(
        `Cannot use the key ${path}: its mode is ${modeOf(stat)}, expected 0600, so that only its owner can read it`,
      );
    }
    if (stat.size !== keyBytes) {
      throw new VaultError(
        `Cannot use the key ${path}: it has ${stat.size} bytes, expected ${keyBytes}; restore it from a backup`,
      );
    }
    return keyOf(await file.readFile());
  } finally {
    await file.close();
  }
}

async function openKey(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (codeOf(error) === "ELOOP") {
      throw new VaultError(`Cannot use ${path} as a key: it is a symbolic link, not a file`);
    }
    throw error;
  }
}

/**
 * Gives a key a name on disk that it did not have. The whole key is there before it has its name, and the name is given
 * by a link, which never replaces a key that another start made in between: what that one sealed could never be opened
 * again. Returns the key that has the name now.
 */
export async function keepKey(path: string, key: Key): Promise<Key> {
  const temp = await writeTemp(path, key);
  try {
    await link(temp, path).catch((error: unknown) => {
      // EEXIST: another start was faster. ENOENT: it has also removed our temp file.
      if (codeOf(error) !== "EEXIST" && codeOf(error) !== "ENOENT") throw error;
    });
    stepChannel.publish("key named");
  } finally {
    await rm(temp, { force: true });
  }
  await syncDirectoryOf(path);
  const kept = await readKey(path);
  if (kept === undefined) throw new VaultError(`Cannot find the key ${path} that was just made`);
  return kept;
}

/** Puts a key in the place of another. After a crash it is one of the two, and whole. */
export async function replaceKey(path: string, key: Key): Promise<void> {
  const temp = await writeTemp(path, key);
  try {
    await rename(temp, path);
    stepChannel.publish("key replaced");
  } finally {
    await rm(temp, { force: true });
  }
  await syncDirectoryOf(path);
}

export async function removeKey(path: string): Promise<void> {
  await rm(path, { force: true });
  stepChannel.publish("key removed");
  await syncDirectoryOf(path);
}

/** What `keepKey` and `replaceKey` leave behind when they die; `name` is that of the key. */
export function isAbandoned(file: string, name: string): boolean {
  return file.startsWith(`${name}.`) && uuid.test(file.slice(name.length + 1));
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function writeTemp(path: string, key: Key): Promise<string> {
  const temp = `${path}.${randomUUID()}`;
  const file = await open(temp, "wx", 0o600);
  try {
    await file.writeFile(key.bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  stepChannel.publish("key written");
  return temp;
}

/**
 * Keys that the operator brings: text, one a line, each 64 hex digits or 32 bytes in base64. The file may be a link, as
 * orchestrators mount them; others than its owner and group must not get at it.
 */
export async function readKeysFromOutside(path: string): Promise<Key[]> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause) => {
    throw new VaultError(`Cannot read the vault's key ${path}: ${codeOf(cause)}`, { cause });
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new VaultError(`Cannot use ${path} as a key: it is not a file`);
    if ((stat.mode & 0o027) !== 0) {
      throw new VaultError(
        `Cannot use the key ${path}: its mode is ${modeOf(stat)}, expected 0600, 0400 or 0440`,
      );
    }
    if (stat.size > outsideBytesMax) {
      throw new VaultError(`Cannot use ${path} as a key: it has ${stat.size} bytes`);
    }
    const lines = (await file.readFile("utf8")).split(/\s+/).filter((line) => line !== "");
    if (lines.length === 0 || lines.length > outsideKeysMax) {
      throw new VaultError(
        `Cannot use ${path} as a key: it has ${lines.length} lines, expected 1 to ${outsideKeysMax}`,
      );
    }
    return lines.map((line) => parseKey(line, path));
  } finally {
    await file.close();
  }
}

function parseKey(text: string, path: string): Key {
  const bytes = /^[0-9a-fA-F]{64}$/.test(text)
    ? Buffer.from(text, "hex")
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(text)
      ? Buffer.from(text, "base64")
      : undefined;
  if (bytes?.length === keyBytes) return keyOf(bytes);
  throw new VaultError(
    `Cannot use the vault key of ${text.length} characters in ${path}: expected 64 hex digits or 32 bytes in base64`,
  );
}

async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function modeOf({ mode }: { mode: number }): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
