/** Which layers are being mounted, or are mounted, right now. */
export interface Leases {
  /** Keeps a layer from the sweep until what is returned is called; calling that again changes nothing. */
  hold(digest: string): () => void;
  isHeld(digest: string): boolean;
  /**
   * The tree of a layer is replaced by another: who holds it now holds the old one, who comes later the new one.
   * Resolves when nobody holds the old one any more.
   */
  retire(digest: string): Promise<void>;
}

interface Held {
  leases: Set<symbol>;
  onFree: (() => void) | undefined;
}

/** Leases are of this process only: a sandbox does not outlive its gateway. */
export function openLeases(): Leases {
  const all = new Map<string, Held>();
  return {
    hold(digest) {
      const lease = Symbol(digest);
      const held: Held = all.get(digest) ?? { leases: new Set(), onFree: undefined };
      all.set(digest, held);
      held.leases.add(lease);
      return () => {
        held.leases.delete(lease);
        if (held.leases.size > 0) return;
        if (all.get(digest) === held) all.delete(digest);
        held.onFree?.();
      };
    },
    isHeld: (digest) => all.has(digest),
    async retire(digest) {
      const held = all.get(digest);
      if (held === undefined) return;
      all.delete(digest);
      const { promise, resolve } = Promise.withResolvers<void>();
      held.onFree = resolve;
      await promise;
    },
  };
}
