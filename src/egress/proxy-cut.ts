import type { ProxyErrorCode } from "../contract/proxy-call.ts";

/** Why a call of an endpoint came to no whole answer. The message is ours: nothing in it came from the upstream. */
export class ProxyCut extends Error {
  override name = "ProxyCut";
  readonly code: ProxyErrorCode;

  constructor(code: ProxyErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
