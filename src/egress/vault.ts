import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from "node:crypto";
import { type Key, keyIdBytes, VaultError } from "./key-file.ts";
import { type Keys, type KeysOptions, openKeys } from "./keys.ts";

export { VaultError } from "./key-file.ts";

export type VaultOptions = KeysOptions;

/** Seals secrets at rest. `context` names what a secret is for, such as `<run id>/anthropic`, and is bound to it. */
export interface Vault {
  seal(plain: string, context: string): Uint8Array;
  /** Throws `VaultError` when the bytes were changed, or sealed under another key or for another context. */
  open(sealed: Uint8Array, context: string): string;
}

/** A vault whose key can be changed, as whoever changes it needs it. */
export interface KeyedVault extends Vault {
  readonly keys: Keys;
  /** Whether it was sealed by the present key, in today's form. */
  isCurrent(sealed: Uint8Array): boolean;
  /** The key that it says it was sealed by; null in the first form, which names none; undefined: it is in no form. */
  keyIdOf(sealed: Uint8Array): string | null | undefined;
}

const nonceBytes = 12;
const tagBytes = 16;
/** The first form names no key. */
const unnamed = 1;
const named = 2;
const namedHeaderBytes = 1 + keyIdBytes;

interface Parts {
  header: Buffer;
  /** Null in the first form. */
  keyId: string | null;
  nonce: Buffer;
  body: Buffer;
  tag: Buffer;
}

/** Opens the vault with AES-256-GCM under the keys of the data directory (0600) or from outside. */
export async function openVault(options: VaultOptions): Promise<KeyedVault> {
  const keys = await openKeys(options);
  const all = () => [keys.present(), ...keys.former()];
  const candidates = ({ keyId }: Parts) =>
    keyId === null ? all() : all().filter(({ id }) => id === keyId);

  return {
    keys,
    seal(plain, context) {
      const key = keys.present();
      const header = Buffer.concat([Buffer.of(named), Buffer.from(key.id, "hex")]);
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key.bytes, nonce, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return Buffer.concat([header, nonce, body, cipher.getAuthTag()]);
    },
    open(sealed, context) {
      const parts = partsOf(sealed);
      if (parts === undefined) {
        throw new VaultError("Cannot open a sealed secret: it is in no form that is known here");
      }
      for (const key of candidates(parts)) {
        const plain = openWith(key, parts, context);
        if (plain !== undefined) return plain;
      }
      throw new VaultError(
        `Cannot open the secret sealed for ${JSON.stringify(context)}: it was changed, or sealed under another key or for another use`,
      );
    },
    isCurrent: (sealed) => partsOf(sealed)?.keyId === keys.present().id,
    keyIdOf: (sealed) => partsOf(sealed)?.keyId,
  };
}

function partsOf(sealed: Uint8Array): Parts | undefined {
  const bytes = Buffer.from(sealed);
  const headerBytes = bytes[0] === named ? namedHeaderBytes : bytes[0] === unnamed ? 1 : undefined;
  if (headerBytes === undefined || bytes.length < headerBytes + nonceBytes + tagBytes) {
    return undefined;
  }
  const header = bytes.subarray(0, headerBytes);
  return {
    header,
    keyId: bytes[0] === named ? header.subarray(1).toString("hex") : null,
    nonce: bytes.subarray(headerBytes, headerBytes + nonceBytes),
    body: bytes.subarray(headerBytes + nonceBytes, -tagBytes),
    tag: bytes.subarray(-tagBytes),
  };
}

/** Undefined: the bytes were changed, or it is another key or another context. */
function openWith(key: Key, parts: Parts, context: string): string | undefined {
  const { header, keyId, nonce, body, tag } = parts;
  const decipher = createDecipheriv("aes-256-gcm", key.bytes, nonce, { authTagLength: tagBytes });
  const bound = Buffer.from(context);
  decipher.setAAD(keyId === null ? bound : Buffer.concat([header, bound]));
  decipher.setAuthTag(tag);
  const begin = decipher.update(body);
  const end = finalOf(decipher);
  return end && Buffer.concat([begin, end]).toString("utf8");
}

function finalOf(decipher: DecipherGCM): Buffer | undefined {
  try {
    return decipher.final();
  } catch {
    // Node's only word for a tag that does not fit.
    return undefined;
  }
}
