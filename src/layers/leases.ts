/** Which layers are being mounted, or are mounted, right now. */
export interface Leases {
  /** Keeps a layer from the sweep until what is returned is called; calling that again changes nothing. */
  hold(digest: string): () => void;
  isHeld(digest: string): boolean;
}

/** Leases are of this process only: a sandbox does not outlive its gateway. */
export function openLeases(): Leases {
  const held = new Map<string, Set<symbol>>();
  return {
    hold(digest) {
      const lease = Symbol(digest);
      const leases = held.get(digest) ?? new Set();
      held.set(digest, leases.add(lease));
      return () => {
        leases.delete(lease);
        if (leases.size === 0 && held.get(digest) === leases) held.delete(digest);
      };
    },
    isHeld: (digest) => held.has(digest),
  };
}
