import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { keyIdOf } from "./signing-key.ts";

/** The key that somebody expects an archive to be signed by. */
export interface PinnedKey {
  id: string;
}

const idForm = /^(?:sha256:)?([0-9a-f]{64})$/;

/** From an id, or from a file with a public key in PEM. Throws an error that says what was wanted. */
export async function readPinnedKey(text: string): Promise<PinnedKey> {
  const digits = idForm.exec(text)?.[1];
  if (digits !== undefined) return { id: `sha256:${digits}` };
  const pem = await readFile(text, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `Cannot read the key ${JSON.stringify(text)} (${error.code}): expected a file with a public key in PEM, or sha256: and 64 hex digits`,
    );
  });
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === "ed25519") return { id: keyIdOf(key) };
  } catch (cause) {
    throw new Error(`Cannot use ${JSON.stringify(text)} as a key: it holds no PEM key`, { cause });
  }
  throw new Error(`Cannot use ${JSON.stringify(text)} as a key: expected an Ed25519 key`);
}
