import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { stepChannel } from "./key-file.ts";
import { type KeyedVault, VaultError } from "./vault.ts";

/** Everything that is sealed, wherever it is kept. The store has it. */
export interface SealedRows {
  /** The next rows after the last one of the batch before; empty at the end. */
  batch(after: string | null, most: number): Promise<SealedRow[]>;
  /** Each only where it is still sealed as it was. */
  replace(rows: readonly (SealedRow & { resealed: Uint8Array })[]): Promise<void>;
}

export interface SealedRow {
  key: string;
  context: string;
  sealed: Uint8Array;
}

/** How often everything is looked through again, because something was sealed meanwhile by the key before. */
const passesMax = 10;

/**
 * Refuses as a whole what was sealed by a key that is not here: a gateway that opens some of its secrets and not others
 * would fail in the middle of runs. Throws `VaultError`.
 */
export async function refuseForeign(
  sealed: SealedRows,
  vault: KeyedVault,
  log: Log,
): Promise<void> {
  const ours = idsOf(vault);
  const foreign: string[] = [];
  const unnamed = { opened: 0, failed: [] as string[] };
  let rows = 0;
  for await (const row of every(sealed)) {
    rows += 1;
    const keyId = vault.keyIdOf(row.sealed);
    if (typeof keyId === "string" && !ours.includes(keyId)) foreign.push(row.context);
    if (keyId !== null) continue;
    if (opened(row, vault, log) === undefined) unnamed.failed.push(row.context);
    else unnamed.opened += 1;
  }
  // Where our key opens one of them, the others are damaged: that is the end of their runs and not of the gateway.
  if (unnamed.opened === 0) foreign.push(...unnamed.failed);
  if (foreign.length === 0) return;
  throw new VaultError(
    `Cannot open ${foreign.length} of ${rows} sealed secrets, such as that for ${JSON.stringify(foreign[0])}: they were ` +
      `sealed by another key than those that are here (${ours.join(", ")}). Restore the key files from the backup that ` +
      "the database is from, or name the missing key with AIRLOCK_VAULT_KEY_FORMER_FILE",
  );
}

/**
 * Seals everything anew that is not sealed by the present key, batch by batch, and looks again until nothing is left.
 * Returns how many there were. What cannot be opened is logged and stays as it is.
 */
export async function reseal(sealed: SealedRows, vault: KeyedVault, log: Log): Promise<number> {
  const unreadable = new Set<string>();
  let all = 0;
  for (let pass = 0; pass < passesMax; pass += 1) {
    const done = await resealOnce(sealed, vault, unreadable, log);
    if (done === 0) return all;
    all += done;
  }
  throw new VaultError(
    `Cannot seal everything anew: after ${passesMax} times there was still more`,
  );
}

async function resealOnce(
  sealed: SealedRows,
  vault: KeyedVault,
  unreadable: Set<string>,
  log: Log,
): Promise<number> {
  let done = 0;
  for (let after: string | null = null; ; ) {
    const rows = await sealed.batch(after, limits.resealedAtOnce);
    const last = rows.at(-1);
    if (last === undefined) return done;
    after = last.key;
    const anew: (SealedRow & { resealed: Uint8Array })[] = [];
    for (const row of rows) {
      if (vault.isCurrent(row.sealed) || unreadable.has(row.key)) continue;
      const plain = opened(row, vault, log);
      if (plain === undefined) unreadable.add(row.key);
      else anew.push({ ...row, resealed: vault.seal(plain, row.context) });
    }
    await sealed.replace(anew);
    stepChannel.publish("batch resealed");
    done += anew.length;
  }
}

function opened({ context, sealed }: SealedRow, vault: KeyedVault, log: Log): string | undefined {
  try {
    return vault.open(sealed, context);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    log.error({ err: error, context }, "vault.unreadable");
    return undefined;
  }
}

async function* every(sealed: SealedRows): AsyncIterable<SealedRow> {
  for (let after: string | null = null; ; ) {
    const rows = await sealed.batch(after, limits.resealedAtOnce);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.key;
  }
}

function idsOf({ keys }: KeyedVault): string[] {
  return [keys.present(), ...keys.former()].map(({ id }) => id);
}
