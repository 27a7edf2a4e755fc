import { defaultBaseUrl } from "../contract/defaults.ts";
import { AirlockError } from "./errors.ts";
import { SecretString } from "./secret-string.ts";
import type { TransportOptions } from "./transport.ts";

export interface ClientOptions {
  /** An API token. The gateway wrote the first one to `<data dir>/admin-token`. */
  token: string | SecretString;
  /**
   * Where the gateway is: `http://127.0.0.1:7475` unless told otherwise. A path is kept, a trailing
   * slash is not.
   */
  baseUrl?: string;
  /** Stands in for the global `fetch`. */
  fetch?: typeof fetch;
  /** One line per round trip, to stderr or to a function: never headers, bodies or queries. */
  debug?: boolean | ((line: string) => void);
  /** How often a request that may be repeated is sent again. Default 2. */
  maxRetries?: number;
  /** How long the first byte of an answer may take, in milliseconds. Default 60,000. */
  timeoutMs?: number;
  /**
   * How long an answer may fall silent before its connection counts as dead, in milliseconds.
   * Default 45,000.
   */
  idleTimeoutMs?: number;
}

/**
 * Checks the options of a client and fills in what is left out. Messages name the option, and never
 * show the token.
 */
export function checkOptions(options: ClientOptions): TransportOptions {
  const given = options?.token;
  const token = given instanceof SecretString ? given.unwrap() : given;
  if (typeof token !== "string" || token === "") {
    throw wrong("token", "is required: an API token of the gateway");
  }
  // fetch would quote the whole header in its error if it were left to find this.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw wrong("token", "must be printable ASCII without spaces or line breaks");
  }
  const { debug } = options;
  return {
    token,
    baseUrl: baseUrlOf(options.baseUrl ?? defaultBaseUrl),
    // Called as a plain function: a browser's fetch refuses any other `this`.
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    debug: typeof debug === "function" ? debug : debug ? (line) => console.error(line) : undefined,
    maxRetries: count("maxRetries", options.maxRetries ?? 2, 0),
    timeoutMs: count("timeoutMs", options.timeoutMs ?? 60_000, 1),
    idleMs: count("idleTimeoutMs", options.idleTimeoutMs ?? 45_000, 1),
  };
}

function baseUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw wrong("baseUrl", `must be an http or https URL, and is ${JSON.stringify(text)}`);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw wrong("baseUrl", "must hold no credentials, query or fragment");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function count(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= 2_147_483_647) return value;
  throw wrong(name, `must be a whole number from ${least}, and is ${value}`);
}

function wrong(name: string, message: string): AirlockError {
  return new AirlockError({ code: "invalid_option", message: `Option ${name} ${message}` });
}
