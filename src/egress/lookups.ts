import { limits } from "../base/limits.ts";
import type { Resolver } from "./resolve.ts";

/** Too many names are being looked up at once. */
export class LookupsLimit extends Error {}

/**
 * Looks names up, each once at a time. A resolver cannot be told to stop, so what nobody waits for any more still counts
 * against the limit: else code that asks for slow names would keep the gateway's own threads from their work.
 */
export function openLookups(
  resolver: Resolver,
): (name: string, signal: AbortSignal) => Promise<string[]> {
  const running = new Map<string, Promise<string[]>>();
  const start = async (name: string) => {
    try {
      return await resolver(name);
    } finally {
      running.delete(name);
    }
  };
  return (name, signal) => {
    let found = running.get(name);
    if (found === undefined) {
      if (running.size >= limits.egressLookups) {
        return Promise.reject(new LookupsLimit(`Cannot look ${name} up now`));
      }
      found = start(name);
      running.set(name, found);
    }
    return unlessAborted(found, signal);
  };
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
