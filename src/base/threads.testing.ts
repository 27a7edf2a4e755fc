/** Work that the tests of `threads.ts` give to other threads. */
import { env } from "node:process";
import { threadId } from "node:worker_threads";

const module = import.meta.url;

export function whereAmI(): { threadId: number; variables: string[] } {
  return { threadId, variables: Object.keys(env) };
}

export function twice(bytes: Uint8Array): Uint8Array {
  return new Uint8Array([...bytes, ...bytes]);
}

export function fails(code: string): never {
  throw Object.assign(new RangeError("It was too much"), { code });
}

export function dies(): Promise<never> {
  setImmediate(() => {
    throw new Error("Nobody catches this");
  });
  return new Promise(() => undefined);
}

/** Works, and says so in the first number, until it is aborted; then it says that in the second. */
export function worksOn(shared: SharedArrayBuffer, isAborted: () => boolean): never {
  const said = new Int32Array(shared);
  Atomics.store(said, 0, 1);
  Atomics.notify(said, 0);
  while (!isAborted());
  Atomics.store(said, 1, 1);
  throw new Error("The work was aborted");
}

export function cannotBeSent(): () => void {
  return () => undefined;
}

export const tasks = {
  whereAmI: { module, work: whereAmI },
  twice: { module, work: twice },
  fails: { module, work: fails },
  dies: { module, work: dies },
  worksOn: { module, work: worksOn },
  cannotBeSent: { module, work: cannotBeSent },
};
