/** Archives as an enemy would put them together: with other members, in another order, under another key. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sealStatement } from "../../src/attest/envelope.ts";
import { openSigner } from "../../src/attest/signing-key.ts";
import { statementOf } from "../../src/attest/statement.ts";
import { openZipWriter, type ZipWriter } from "../../src/content/write-zip.ts";
import type { ArchivePredicate, ArchiveStatement } from "../../src/contract/attestation.ts";

export type Members = [name: string, bytes: Buffer][];

/** What an archive says under its signature. */
export function statementIn(members: Members): ArchiveStatement {
  const found = members.find(([name]) => name === "attestation.json");
  const { payload } = JSON.parse(found?.[1].toString() ?? "") as { payload: string };
  return JSON.parse(Buffer.from(payload, "base64").toString());
}

/** A zip of these members as a gateway would write it, attestation and all: what was signed stays what it was. */
export async function rebuild(members: Members, time: number): Promise<Buffer> {
  const { pieces, zip } = await write(members, time);
  return Buffer.concat([...pieces, ...zip.end()]);
}

/** The same, signed anew by a key of the enemy's, who may also say other things about it. */
export async function forge(
  members: Members,
  say: (predicate: ArchivePredicate) => void = () => undefined,
): Promise<{ bytes: Buffer; keyId: string }> {
  const { predicate } = statementIn(members);
  const others = members.filter(([name]) => name !== "attestation.json");
  const { pieces, zip } = await write(others, predicate.zip.time);
  say(predicate);
  const { gateway, key: _key, zip: _zip, ...derived } = predicate;
  const dir = await mkdtemp(join(tmpdir(), "airlock-forge-"));
  try {
    const signer = await openSigner({ dir });
    const by = { key: signer.key, version: gateway.version };
    const attestation = sealStatement(statementOf(derived, zip.members, by), signer);
    const last = [...zip.stored("attestation.json", attestation)];
    const bytes = Buffer.concat([...pieces, ...last, ...zip.end()]);
    return { bytes, keyId: signer.key.id };
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function write(
  members: Members,
  time: number,
): Promise<{ pieces: Buffer[]; zip: ZipWriter }> {
  const zip = openZipWriter(time);
  const pieces: Buffer[] = [];
  for (const [name, bytes] of members) {
    const written =
      name === "attestation.json"
        ? zip.stored(name, bytes)
        : name === "events.jsonl"
          ? zip.packed(name, one(bytes))
          : zip.whole(name, bytes);
    for await (const piece of written) pieces.push(piece);
  }
  return { pieces, zip };
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
