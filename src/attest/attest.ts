/**
 * What a gateway says of a run under its signature, and how anybody checks that without the gateway: the key, the
 * statement and its envelope, and the verification of an archive.
 */
import type { WrittenMember } from "../content/content.ts";
import type { AttestationKey } from "../contract/attestation.ts";
import type { ArchiveManifest } from "../contract/output.ts";
import { sealStatement } from "./envelope.ts";
import type { Facts } from "./facts.ts";
import { openSigner } from "./signing-key.ts";
import { derive, type StatedRun, statementOf } from "./statement.ts";

/** Signs archives. */
export interface Attestor {
  readonly key: AttestationKey;
  /** `attestation.json` of an archive with these members; the same whenever it is asked. */
  attest(
    run: StatedRun,
    facts: Facts,
    manifest: ArchiveManifest,
    members: readonly WrittenMember[],
  ): Buffer;
}

/** Opens the key of the data directory, or the one in `keyFile`. Call it under the lock of the data directory. */
export async function openAttestor(options: {
  dir: string;
  keyFile?: string | undefined;
  version: string;
}): Promise<Attestor> {
  const { version } = options;
  const signer = await openSigner(options);
  const { key } = signer;
  return {
    key,
    attest(run, facts, manifest, members) {
      const derived = derive(run, facts, manifest);
      return sealStatement(statementOf(derived, members, { key, version }), signer);
    },
  };
}

export { custodyOf } from "./custody.ts";
export { addFact, type Facts, noFacts } from "./facts.ts";
export { type PinnedKey, readPinnedKey } from "./pinned-key.ts";
export { SigningKeyError } from "./signing-key.ts";
export {
  type ArchiveFault,
  type ArchiveReport,
  type VerifyOptions,
  verifyArchive,
} from "./verify-archive.ts";
