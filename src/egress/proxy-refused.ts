import type { ProxyErrorCode } from "../contract/proxy-call.ts";

/**
 * Ends a call of an endpoint. The message goes to whoever called, so it is one of our own sentences: it may quote what
 * the caller itself sent, and never what the upstream said or what is secret.
 */
export class ProxyRefused extends Error {
  override name = "ProxyRefused";
  readonly code: ProxyErrorCode;

  constructor(code: ProxyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A text of the caller as a message may quote it: in quotes, on one line, in ASCII, and short. */
export function quote(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return JSON.stringify(short).replace(/[^\x20-\x7e]/g, "?");
}
