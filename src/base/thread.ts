/**
 * What runs in a thread of `threads.ts`: it takes one order after the other, imports the module that knows how, and
 * answers. It spawns nothing: the signal that ends a sandbox with its parent follows the thread that started it.
 */
import { parentPort } from "node:worker_threads";
import { assert } from "./assert.ts";
import type { ThreadAnswer, ThreadOrder } from "./threads.ts";

const port = parentPort;
assert(port, "thread.ts is started as a thread");
port.on("message", (order: ThreadOrder) => {
  // What cannot be sent back is an answer too; nothing else in here can throw.
  void answer(order).then((said) => send(said).catch((error) => send(failureOf(error))));
});

async function send(said: ThreadAnswer): Promise<void> {
  port?.postMessage(said, said.ok ? wholeBuffers(said.output) : []);
}

async function answer({ module, name, input, flag }: ThreadOrder): Promise<ThreadAnswer> {
  const aborted = new Int32Array(flag);
  try {
    const { [name]: work } = await import(module);
    assert(typeof work === "function", `${module} exports the function ${name}`);
    return { ok: true, output: await work(input, () => Atomics.load(aborted, 0) === 1) };
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): ThreadAnswer {
  if (!(error instanceof Error)) return { ok: false, message: String(error), name: "Error" };
  const { message, name } = error;
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  return { ok: false, message, name, ...code };
}

/** Bytes that own their buffer are moved, not copied. Small ones share a pool with others and must not be. */
function wholeBuffers(output: unknown): ArrayBuffer[] {
  if (!(output instanceof Uint8Array) || !(output.buffer instanceof ArrayBuffer)) return [];
  return output.byteLength === output.buffer.byteLength ? [output.buffer] : [];
}
