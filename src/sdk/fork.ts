import { ForkRequest } from "../contract/run-tree.ts";
import { checkRequest, stringsIn } from "./submit.ts";
import type { ApiRequest, Signal } from "./transport.ts";

export type ForkOptions = ForkRequest & Signal;

/**
 * Checks what is asked for and makes the request of it. A random idempotency key is used when none is given, so that a
 * repeated request can never start a second run.
 */
export function forkRequest(path: string, { signal, ...options }: ForkOptions): ApiRequest {
  const json = { ...options, idempotencyKey: options.idempotencyKey ?? crypto.randomUUID() };
  checkRequest(ForkRequest, json);
  const hidden = stringsIn(options.secrets);
  return { method: "POST", path, json, hidden, repeatable: true, signal };
}
