import { STATUS_CODES } from "node:http";

import { UpstreamRefused } from "../egress/egress.ts";
import type { Fault } from "./attempt.ts";
import { retryAfterMs } from "./retry-after.ts";
import { scrub } from "./scrub.ts";
import { AnswerTooLong, ProviderTimeout } from "./timed-fetch.ts";

/** Who was asked, and with which key; so that a message can say whose key was refused. */
export interface Asked {
  /** `provider/model`. */
  id: string;
  provider: string;
  apiKey: string | undefined;
  /** "the key of this run", "the gateway's ANTHROPIC_API_KEY". */
  keyName: string;
}

/** What is known of an error, wherever in its chain of causes it is said. */
interface Facts {
  status: number | undefined;
  headers: Record<string, string>;
  text: string;
  body: string;
  network: string | undefined;
  retryable: boolean | undefined;
  /** The answer came, but the provider's package could make nothing of it. */
  unreadable: boolean;
}

/**
 * Says what an error of a provider's package means: the reason, a message for a person without any credential, and
 * whether asking again can help. `now` is wall-clock time, for a `Retry-After` that is a date.
 */
export function faultOf(error: unknown, asked: Asked, now: number): Fault {
  const fault = { ...classify(error, asked, now), ...(isUnbilled(error) ? unbilled : {}) };
  return { ...fault, message: scrub(fault.message, asked.apiKey ? [asked.apiKey] : []) };
}

const unbilled = { unbilled: true } as const;

/** Errors with which a connection is not made: nothing was sent over it. */
const unreached = /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|CERT_\w+|DEPTH_\w+)$/;

/**
 * Whether the request was certainly not worked on. A time-out, a line that was cut and most errors of the provider's own
 * say nothing about it.
 */
function isUnbilled(error: unknown): boolean {
  const links = chainOf(error);
  if (links.some((link) => link instanceof ProviderTimeout)) return false;
  if (links.some((link) => link instanceof UpstreamRefused)) return true;
  const { status, network } = factsOf(error);
  if (status === undefined) return network !== undefined && unreached.test(network);
  return (status >= 400 && status < 500 && status !== 408) || status === 503 || status === 529;
}

function classify(error: unknown, asked: Asked, now: number): Fault {
  const ours = chainOf(error).find(
    (link) => link instanceof ProviderTimeout || link instanceof AnswerTooLong,
  );
  if (ours instanceof ProviderTimeout) {
    return { reason: "model_error", message: `${asked.id} ${ours.message}`, retry: true };
  }
  if (ours instanceof AnswerTooLong) {
    return { reason: "model_error", message: `${asked.id}: ${ours.message}`, retry: false };
  }
  const refused = chainOf(error).find((link) => link instanceof UpstreamRefused);
  if (refused instanceof UpstreamRefused) {
    const message = `${asked.id} could not be reached: ${refused.message}`;
    return { reason: "model_error", message, retry: !refused.isFinal };
  }
  const facts = factsOf(error);
  const { status, text } = facts;
  const said = text === "" ? "" : `: ${text}`;
  if (status === undefined && facts.network !== undefined) {
    const message = `${asked.id} could not be reached (${facts.network})${said}`;
    return { reason: "model_error", message, retry: true };
  }
  if (status === undefined && facts.unreadable) {
    const message = `${asked.id} sent an unusable answer${said}`;
    return { reason: "model_error", message, retry: true };
  }
  const answered = `${asked.id} answered${status === undefined ? " with an error" : ` ${status}`}`;
  const whole = `${text} ${facts.body}`;
  if (status === 401 || (status !== 429 && refusedKey.test(whole))) {
    const message = `${asked.provider} refused ${asked.keyName} for ${asked.id}${said}`;
    return { reason: "model_error", message, retry: false };
  }
  if (status === 413 || (status !== 429 && contextFull.test(whole))) {
    const message = `The conversation no longer fits into ${asked.id}${said}`;
    return { reason: "context_full", message, retry: false };
  }
  if (mayBePolicy(status) && contentPolicy.test(whole)) {
    const message = `${asked.id} refused the content${said}`;
    return { reason: "model_refused", message, retry: false };
  }
  if (status === 403) {
    const message = `${asked.provider} refused ${asked.keyName} access to ${asked.id}${said}`;
    return { reason: "model_error", message, retry: false };
  }
  if (status === 404) {
    const message = `${asked.provider} does not know the model ${asked.id}${said}`;
    return { reason: "model_error", message, retry: false };
  }
  const wait = retryAfterMs(facts.headers, now);
  return {
    reason: "model_error",
    message: `${answered}${said}`,
    retry: canRetry(facts),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

const refusedKey = /api[ _]key not valid|API_KEY_INVALID|invalid[ _](x-)?api[ _-]key/i;

const contextFull = new RegExp(
  [
    "context_length_exceeded|exceed_context_size|model_context_window_exceeded|request_too_large",
    "prompt is too long|exceeds? (the )?context (limit|window|length)|maximum context length",
    "input token count .*exceeds|exceeds the maximum number of tokens",
    "exceeds the available context size|greater than the context length|context window (is )?full",
    "too large for model with \\d+ maximum context|input is too long for",
  ].join("|"),
  "i",
);

const contentPolicy = new RegExp(
  [
    "content[ _-]?(policy|filter|management)|usage polic|responsibleai|prohibited_content",
    "flagged|requires moderation|blocked by .*(safety|policy)|safety (system|setting|filter)",
  ].join("|"),
  "i",
);

/** Quota and rate answers (429) and the provider's own defects (5xx) quote policies too, but mean something else. */
function mayBePolicy(status: number | undefined): boolean {
  return status === undefined || (status >= 400 && status < 500 && status !== 429);
}

/** No money is no matter of waiting, although some providers say it with 429. */
const noFunds = /insufficient_quota|billing_hard_limit|insufficient[ _](balance|credits|funds)/i;

/** Errors inside a stream have no status; these say that they pass. */
const passing =
  /overloaded|rate.?limit|server.?error|internal error|time.?out|unavailable|try again/i;

/** Names of the errors with which the packages report a stream that is garbled or ends too early. */
const unreadable =
  /^AI_(InvalidResponseData|NoOutputGenerated|TypeValidation|JSONParse|EmptyResponseBody)Error$/;

function canRetry(facts: Facts): boolean {
  const { status, headers, text, body } = facts;
  if (headers["x-should-retry"] === "false" || noFunds.test(`${text} ${body}`)) return false;
  if (status === undefined) return facts.retryable === true || passing.test(`${text} ${body}`);
  if (status === 408 || status === 409 || status === 425 || status === 429) return true;
  // A 200 that cannot be read was cut or garbled on its way.
  return status >= 500 || (status >= 200 && status < 300);
}

function factsOf(error: unknown): Facts {
  const facts: Facts = {
    status: undefined,
    headers: {},
    text: "",
    body: "",
    network: undefined,
    retryable: undefined,
    unreadable: false,
  };
  for (const link of chainOf(error)) {
    const field = link as Record<string, unknown>;
    if (typeof field.statusCode === "number") facts.status ??= field.statusCode;
    if (typeof field.isRetryable === "boolean") facts.retryable ??= field.isRetryable;
    if (typeof field.message === "string") facts.text ||= field.message;
    if (typeof field.responseBody === "string") facts.body ||= field.responseBody;
    else if (isRecord(field.data)) facts.body ||= JSON.stringify(field.data);
    if (isRecord(field.responseHeaders)) {
      facts.headers = field.responseHeaders as Record<string, string>;
    }
    facts.network ??= networkTrouble(link);
    facts.unreadable ||= typeof field.name === "string" && unreadable.test(field.name);
  }
  if (facts.text === "" && typeof error === "string") facts.text = error;
  // An error that is not in its provider's form, from a proxy in between, leaves the package with the bare status.
  const bare = facts.text === "" || facts.text === STATUS_CODES[facts.status ?? 0];
  if (bare) facts.text = messageIn(facts.body) ?? facts.text;
  facts.body = facts.body.slice(0, 10_000);
  return facts;
}

/** What an error's body says in words, in any of the forms that are common. */
function messageIn(body: string): string | undefined {
  try {
    return textIn(JSON.parse(body), 4);
  } catch {
    // A page of HTML, or cut off: the status has to do.
    return undefined;
  }
}

function textIn(value: unknown, depth: number): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  if (!isRecord(value) || depth === 0) return undefined;
  for (const name of ["message", "error", "detail", "msg", "0"]) {
    const text = textIn(value[name], depth - 1);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The name of what went wrong below HTTP: nobody there, a cut line, a name that does not resolve, a bad certificate. */
function networkTrouble(link: Record<string, unknown>): string | undefined {
  const code = link.code;
  if (
    typeof code === "string" &&
    /^(E[A-Z_]+|UND_ERR_\w+|CERT_\w+|DEPTH_\w+|HPE_\w+)$/.test(code)
  ) {
    return code;
  }
  const message = typeof link.message === "string" ? link.message : "";
  if (
    /^(fetch failed|terminated|socket hang up|other side closed|premature close)/i.test(message)
  ) {
    return "connection lost";
  }
  return undefined;
}

/** The error and its causes, outermost first. An error thrown by our own code or a package's is last resort text. */
function chainOf(error: unknown): Record<string, unknown>[] {
  const chain: Record<string, unknown>[] = [];
  let link = error;
  while (isRecord(link) && chain.length < 10 && !chain.includes(link)) {
    chain.push(link);
    link = link.cause ?? link.error;
  }
  return chain;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
