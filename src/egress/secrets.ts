import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { SecretInfo } from "../contract/secret.ts";
import { refuseForeign, reseal, type SealedRows } from "./reseal.ts";
import { type KeyedVault, VaultError } from "./vault.ts";

/** Where the secrets of workspaces are kept, sealed. The store has it. */
export interface SecretRows {
  set(
    workspaceId: string,
    secret: { name: string; sealed: Uint8Array; setBy: string },
  ): Promise<{ created: boolean; secret: SecretInfo }>;
  list(workspaceId: string): Promise<SecretInfo[]>;
  get(workspaceId: string, name: string): Promise<SecretInfo | undefined>;
  delete(workspaceId: string, name: string): Promise<boolean>;
  versions(
    workspaceId: string,
  ): Promise<{ name: string; version: number; sealed: Uint8Array; replacedAt: string | null }[]>;
  lapse(before: string): Promise<number>;
}

export interface SecretsOptions {
  rows: SecretRows;
  sealed: SealedRows;
  vault: KeyedVault;
  clock: Clock;
  log: Log;
  /** The values of this workspace are others now: what is known to be cut out must be asked for again. Waited for. */
  onChanged?: (workspaceId: string) => unknown;
}

/** The secrets of workspaces: set, spent by name, and known for as long as they are to be cut out. */
export interface Secrets {
  /** Makes a value the present one. The one before it is still cut out for 30 days. */
  set(
    workspaceId: string,
    secret: { name: string; value: string; setBy: string },
  ): Promise<{ created: boolean; secret: SecretInfo }>;
  list(workspaceId: string): Promise<SecretInfo[]>;
  get(workspaceId: string, name: string): Promise<SecretInfo | undefined>;
  /** False: there was none. Its last value is still cut out for 30 days. */
  delete(workspaceId: string, name: string): Promise<boolean>;
  /** The present value, to be spent. Undefined: there is none, or it cannot be opened, which is logged. */
  value(workspaceId: string, name: string): Promise<string | undefined>;
  /** Every value that is spent or was until lately: what must not be written down. */
  known(workspaceId: string): Promise<string[]>;
  /**
   * Makes a new key and seals everything anew with it, also what runs brought. The key before it goes with a later `sweep`
   * or the next start. Throws `invalid_request` when the key comes from outside.
   */
  rotateKey(): Promise<{ from: string; to: string; resealed: number }>;
  /** Forgets values whose time is over, and former keys that nothing needs. Returns how many values. */
  sweep(): Promise<number>;
}

interface Opened {
  name: string;
  value: string;
  present: boolean;
}

/** Workspaces whose values are kept open in memory. */
const openedMax = 64;

/**
 * Opens the secrets of workspaces. Throws `VaultError` when anything is sealed by a key that is not there. A change of the
 * key that was cut off is taken up and brought to its end.
 */
export async function openSecrets(options: SecretsOptions): Promise<Secrets> {
  const { rows, sealed, vault, clock, log } = options;
  const { keys } = vault;
  const values = openValues(options);
  const inTurn = oneAtATime();
  let rotatedAt = Number.NEGATIVE_INFINITY;
  await refuseForeign(sealed, vault, log);
  await retireKeys();

  /** Only when nothing can be on its way to its row that the former key has sealed. */
  async function retireKeys(): Promise<void> {
    if (keys.former().length === 0) return;
    if (clock.monotonic() - rotatedAt < limits.vaultFormerKeyMs) return;
    const resealed = await reseal(sealed, vault, log);
    const dropped = await keys.dropFormer();
    log.info({ dropped, resealed, present: keys.present().id }, "vault.former_keys_dropped");
  }

  return {
    async set(workspaceId, { name, value, setBy }) {
      const context = contextOf(workspaceId, name);
      const set = await rows.set(workspaceId, { name, setBy, sealed: vault.seal(value, context) });
      await values.changed(workspaceId);
      return set;
    },
    list: (workspaceId) => rows.list(workspaceId),
    get: (workspaceId, name) => rows.get(workspaceId, name),
    async delete(workspaceId, name) {
      const deleted = await rows.delete(workspaceId, name);
      if (deleted) await values.changed(workspaceId);
      return deleted;
    },
    async value(workspaceId, name) {
      const opened = await values.of(workspaceId);
      return opened.find((one) => one.present && one.name === name)?.value;
    },
    async known(workspaceId) {
      return [...new Set((await values.of(workspaceId)).map(({ value }) => value))];
    },
    rotateKey: () =>
      inTurn(async () => {
        const { from, to } = await keys.rotate();
        rotatedAt = clock.monotonic();
        const resealed = await reseal(sealed, vault, log);
        log.info({ from, to, resealed }, "vault.key_rotated");
        return { from, to, resealed };
      }),
    sweep: () =>
      inTurn(async () => {
        const before = new Date(clock.now() - limits.secretMaskedMs).toISOString();
        const lapsed = await rows.lapse(before);
        if (lapsed > 0) await values.allChanged();
        await retireKeys();
        return lapsed;
      }),
  };
}

/** What a secret of a workspace is sealed for. The store names the same context when it gives its sealed rows out. */
function contextOf(workspaceId: string, name: string): string {
  return `workspace/${workspaceId}/${name}`;
}

/** The values of workspaces in memory, until they change. */
function openValues({ rows, vault, log, onChanged }: SecretsOptions) {
  const cache = new Map<string, Promise<Opened[]>>();

  async function load(workspaceId: string): Promise<Opened[]> {
    const opened: Opened[] = [];
    for (const { name, version, sealed, replacedAt } of await rows.versions(workspaceId)) {
      try {
        const value = vault.open(sealed, contextOf(workspaceId, name));
        opened.push({ name, value, present: replacedAt === null });
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        log.error({ err: error, workspace: workspaceId, name, version }, "secret.unreadable");
      }
    }
    return opened;
  }

  async function changed(workspaceId: string): Promise<void> {
    // What is being read at this moment is of before, and goes with the rest.
    cache.delete(workspaceId);
    try {
      await onChanged?.(workspaceId);
    } catch (error) {
      // The change is made, whatever whoever listens makes of it.
      log.error({ err: error, workspace: workspaceId }, "secret.listener_failed");
    }
  }

  return {
    changed,
    async allChanged() {
      for (const workspaceId of [...cache.keys()]) await changed(workspaceId);
    },
    of(workspaceId: string): Promise<Opened[]> {
      const known = cache.get(workspaceId) ?? load(workspaceId);
      cache.delete(workspaceId);
      cache.set(workspaceId, known);
      const oldest = cache.size > openedMax ? cache.keys().next().value : undefined;
      if (oldest !== undefined) cache.delete(oldest);
      known.catch(() => {
        if (cache.get(workspaceId) === known) cache.delete(workspaceId);
      });
      return known;
    },
  };
}

/** Two changes of the key at a time would each call the other's key a former one. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}
