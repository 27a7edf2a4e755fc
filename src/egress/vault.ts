import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, open, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface VaultOptions {
  /** The data directory: the key is `<dir>/key`, made at the first start. */
  dir: string;
  /** A key from outside, 64 hex digits or 32 bytes in base64. No key file is then made or read. */
  key?: string;
}

/** Seals secrets at rest. `context` names what a secret is for, such as `<run id>/anthropic`, and is bound to it. */
export interface Vault {
  seal(plain: string, context: string): Uint8Array;
  /** Throws `VaultError` when the bytes were changed, or sealed under another key or for another context. */
  open(sealed: Uint8Array, context: string): string;
}

/** The vault cannot be used as it is found. Its message never holds a key or a secret. */
export class VaultError extends Error {
  override name = "VaultError";
}

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const version = 1;
const headerBytes = 1 + nonceBytes;

/** Opens the vault with AES-256-GCM under a key of the data directory (0600) or from outside. */
export async function openVault({ dir, key: outside }: VaultOptions): Promise<Vault> {
  const key = outside === undefined ? await keyOf(join(dir, "key")) : parseKey(outside);
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.of(version), nonce, body, cipher.getAuthTag()]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      if (bytes.length < headerBytes + tagBytes || bytes[0] !== version) {
        throw new VaultError("Cannot open a sealed secret: it is not in the form of this version");
      }
      const nonce = bytes.subarray(1, headerBytes);
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(-tagBytes));
      const body = decipher.update(bytes.subarray(headerBytes, -tagBytes));
      return Buffer.concat([body, finalOf(decipher, context)]).toString("utf8");
    },
  };
}

function finalOf(decipher: { final(): Buffer }, context: string): Buffer {
  try {
    return decipher.final();
  } catch (cause) {
    throw new VaultError(
      `Cannot open the secret sealed for ${JSON.stringify(context)}: it was changed, or sealed under another key or for another use`,
      { cause },
    );
  }
}

function parseKey(text: string): Buffer {
  const key = /^[0-9a-fA-F]{64}$/.test(text)
    ? Buffer.from(text, "hex")
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(text)
      ? Buffer.from(text, "base64")
      : undefined;
  if (key?.length === keyBytes) return key;
  throw new VaultError(
    `Cannot use the vault key of ${text.length} characters: expected 64 hex digits or 32 bytes in base64`,
  );
}

async function keyOf(path: string): Promise<Buffer> {
  const key = (await readKey(path)) ?? (await makeKey(path));
  // A start that died between two steps left a second name of the key, or a key that never became one.
  for (const name of await readdir(dirname(path))) {
    if (abandonedKey.test(name)) await rm(join(dirname(path), name), { force: true });
  }
  return key;
}

const abandonedKey = /^key\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Undefined when there is no key yet. A key that others can read is refused: it may be known already. */
async function readKey(path: string): Promise<Buffer | undefined> {
  const file = await openKey(path);
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new VaultError(`Cannot use ${path} as a key: it is not a file`);
    if ((stat.mode & 0o177) !== 0) {
      const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
      throw new VaultError(
        `Cannot use the key ${path}: its mode is ${mode}, expected 0600, so that only its owner can read it`,
      );
    }
    if (stat.size !== keyBytes) {
      throw new VaultError(
        `Cannot use the key ${path}: it has ${stat.size} bytes, expected ${keyBytes}; restore it from a backup`,
      );
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function openKey(path: string) {
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
 * The whole key is on disk before it has its name, and the name is given by a link, which never replaces a key that
 * another start made in between: what that one sealed could never be opened again.
 */
async function makeKey(path: string): Promise<Buffer> {
  const temp = `${path}.${randomUUID()}`;
  try {
    const file = await open(temp, "wx", 0o600);
    try {
      await file.writeFile(randomBytes(keyBytes));
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temp, path).catch((error: unknown) => {
      // EEXIST: another start was faster. ENOENT: it has also removed our temp file.
      if (codeOf(error) !== "EEXIST" && codeOf(error) !== "ENOENT") throw error;
    });
  } finally {
    await rm(temp, { force: true });
  }
  await syncDirectoryOf(path);
  const key = await readKey(path);
  if (key === undefined) throw new VaultError(`Cannot find the key ${path} that was just made`);
  return key;
}

async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
