import type { LiveEvent } from "../contract/event.ts";

/**
 * What happens this moment, for whoever listens: never stored, never waited for. A run that nobody watches costs a map
 * look-up per delta.
 */
export interface Live {
  publish(runId: string, event: LiveEvent): void;
  subscribe(runId: string, listener: (event: LiveEvent) => void): () => void;
}

export function openLive(): Live {
  const listeners = new Map<string, Set<(event: LiveEvent) => void>>();
  return {
    publish(runId, event) {
      for (const listener of listeners.get(runId) ?? []) listener(event);
    },
    subscribe(runId, listener) {
      const set = listeners.get(runId) ?? new Set();
      listeners.set(runId, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(runId) === set) listeners.delete(runId);
      };
    },
  };
}
