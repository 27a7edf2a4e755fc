import { errorOf, parseAnswer } from "./answer.ts";
import { readText } from "./chunks.ts";
import { AirlockError, ApiError, NetworkError } from "./errors.ts";
import { backOff, pause } from "./pause.ts";

export interface TransportOptions {
  token: string;
  baseUrl: string;
  fetch: typeof fetch;
  debug: ((line: string) => void) | undefined;
  maxRetries: number;
  /** How long to wait for the first byte of an answer, in milliseconds. */
  timeoutMs: number;
  /** How long an answer may say nothing once it has begun, in milliseconds. */
  idleMs: number;
}

export interface ApiRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  path: string;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  json?: unknown;
  form?: FormData;
  /** A body of bytes, streamed from wherever the Blob has them. */
  raw?: { blob: Blob; type: string; onProgress?: ((bytes: number) => void) | undefined };
  /** Must not end up in an error, whoever repeats it on the way. */
  hidden?: readonly string[];
  /** Sending it twice does no harm, so the transport may. All but POST always are. */
  repeatable?: boolean;
  /** The answer takes as long as the work: no limit for its first byte. */
  patient?: boolean;
  /** Overrides the client's own number of retries. */
  maxRetries?: number;
  signal?: AbortSignal | undefined;
}

export interface Signal {
  signal?: AbortSignal | undefined;
}

/** Of one page of a list: at most 1,000 rows; `cursor` is the `nextCursor` of the page before. */
export interface PageOptions extends Signal {
  limit?: number;
  cursor?: string;
}

/** All rows of a list, fetched page by page as the loop goes on. */
export async function* pages<Page extends { nextCursor?: string }, Row>(
  { signal }: Signal = {},
  list: (options: PageOptions) => Promise<Page>,
  rowsOf: (page: Page) => Row[],
): AsyncGenerator<Row> {
  let cursor: string | undefined;
  do {
    const page = await list({ signal, ...(cursor === undefined ? {} : { cursor }) });
    yield* rowsOf(page);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

export interface Transport {
  /** A request whose answer is a JSON object; an empty one for 204. */
  json(request: ApiRequest): Promise<Record<string, unknown>>;
  /** A request whose body the caller reads. Not a success: throws as `json` does. */
  open(request: ApiRequest): Promise<Response>;
  /** The status of an unauthenticated probe. */
  status(path: string, signal?: AbortSignal): Promise<number>;
  readonly idleMs: number;
  /** Ends what is under way, and refuses what comes later. */
  close(): void;
  /** Aborted by `close`, with the error that says so; whoever reads a body listens to it. */
  readonly closing: AbortSignal;
}

/** A `Retry-After` longer than this is the caller's decision, not ours. */
const longestRetryAfterMs = 30_000;
const firstRetryMs = 250;

/**
 * Round trips: headers, retries, deadlines, debug lines, errors. The token is kept in this closure,
 * so that printing a client or an error never shows it.
 */
export function openTransport(options: TransportOptions): Transport {
  const { token, baseUrl, idleMs, fetch } = options;

  const closing = new AbortController();

  async function once(request: ApiRequest): Promise<Response> {
    closing.signal.throwIfAborted();
    request.signal?.throwIfAborted();
    const started = performance.now();
    const log = (end: string) => {
      const ms = Math.round(performance.now() - started);
      options.debug?.(
        `[airlock] ${request.method} ${request.path} -> ${end.replace("%", `${ms}ms`)}`,
      );
    };
    const firstByteMs = request.patient ? undefined : options.timeoutMs;
    const limit = deadline(firstByteMs, [request.signal, closing.signal]);
    try {
      const response = await fetch(urlOf(baseUrl, request), {
        method: request.method,
        headers: headersOf(request, token),
        ...bodyOf(request),
        redirect: "error",
        signal: limit.signal,
      });
      const id = response.headers.get("x-request-id");
      log(`${response.status} %${id ? ` (${id})` : ""}`);
      return response;
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      closing.signal.throwIfAborted();
      log("no answer %");
      throw unreachable(baseUrl, limit.passed() ? options.timeoutMs : undefined, error);
    } finally {
      limit.release();
    }
  }

  async function retrying<T>(
    request: ApiRequest,
    use: (response: Response) => T | Promise<T>,
  ): Promise<T> {
    const repeatable = request.repeatable ?? request.method !== "POST";
    const retries = repeatable ? (request.maxRetries ?? options.maxRetries) : 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await once(request);
        if (response.ok) return await use(response);
        const text = await readText(response, idleMs, request.signal, closing.signal);
        throw errorOf(response, scrub(text, token, request.hidden), request.path);
      } catch (error) {
        const wait = waitBeforeNext(error, attempt);
        if (wait === undefined || attempt > retries) throw error;
        await pause(wait, request.signal, closing.signal);
      }
    }
  }

  return {
    idleMs,
    open: (request) => retrying(request, (response) => response),
    json: (request) =>
      retrying(request, async (response) => {
        const text = await readText(response, idleMs, request.signal, closing.signal);
        if (response.status === 204) return {};
        const answer = parseAnswer(text);
        if (answer !== undefined) return answer;
        throw errorOf(response, scrub(text, token, request.hidden), request.path);
      }),
    close: () => closing.abort(closed()),
    closing: closing.signal,
    async status(path, signal) {
      const response = await once({ method: "GET", path, signal });
      await readText(response, idleMs, signal, closing.signal);
      return response.status;
    },
  };
}

/** Something on the way may echo the request: what it was sent with must not end up in an error (I6). */
function scrub(text: string, token: string, hidden: readonly string[] = []): string {
  let bare = token.length < 8 ? text : text.replaceAll(token, "[token]");
  for (const secret of hidden) {
    const escaped = JSON.stringify(secret).slice(1, -1);
    bare = bare.replaceAll(secret, "[secret]").replaceAll(escaped, "[secret]");
  }
  return bare;
}

/** Milliseconds until the next try, or nothing when trying again would not help. */
function waitBeforeNext(error: unknown, attempt: number): number | undefined {
  if (error instanceof NetworkError) return backOff(attempt, firstRetryMs);
  if (!(error instanceof ApiError)) return undefined;
  const busy = error.status === 429 || error.status === 503;
  const wait = error.retryAfterMs;
  return busy && wait !== undefined && wait <= longestRetryAfterMs ? wait : undefined;
}

function urlOf(baseUrl: string, request: ApiRequest): string {
  const query = Object.entries(request.query ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const search = query.length > 0 ? `?${new URLSearchParams(query)}` : "";
  return `${baseUrl}${request.path}${search}`;
}

function headersOf(request: ApiRequest, token: string): Record<string, string> {
  return {
    accept: "application/json",
    authorization: `Bearer ${token}`,
    ...(request.json === undefined ? {} : { "content-type": "application/json" }),
    ...(request.raw === undefined ? {} : { "content-type": request.raw.type }),
    ...request.headers,
  };
}

function bodyOf(request: ApiRequest): {
  body?: string | FormData | Blob | ReadableStream;
  duplex?: "half";
} {
  if (request.form) return { body: request.form };
  if (request.raw) {
    const { blob, onProgress } = request.raw;
    if (onProgress === undefined) return { body: blob };
    return { body: blob.stream().pipeThrough(counting(onProgress)), duplex: "half" };
  }
  return request.json === undefined ? {} : { body: JSON.stringify(request.json) };
}

/** Tells how many bytes have gone through; from the start again when the request is sent again. */
function counting(onProgress: (bytes: number) => void) {
  let bytes = 0;
  return new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(piece, out) {
      bytes += piece.length;
      onProgress(bytes);
      out.enqueue(piece);
    },
  });
}

/**
 * A signal that follows others and ends after `ms`; `release` leaves these to go on with the body. Nothing stays behind on
 * them: a client, and its signals, may see any number of requests.
 */
function deadline(ms: number | undefined, others: readonly (AbortSignal | undefined)[]) {
  const controller = new AbortController();
  let late = false;
  const onAbort = () => controller.abort(others.find((signal) => signal?.aborted)?.reason);
  const timer =
    ms === undefined
      ? undefined
      : setTimeout(() => {
          late = true;
          controller.abort();
        }, ms);
  if (others.some((signal) => signal?.aborted)) onAbort();
  else for (const signal of others) signal?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    passed: () => late,
    release: () => {
      clearTimeout(timer);
      for (const signal of others) signal?.removeEventListener("abort", onAbort);
    },
  };
}

function closed(): AirlockError {
  const message = "The client was closed; make a new one to go on";
  return new AirlockError({ code: "client_closed", message });
}

function unreachable(baseUrl: string, lateMs: number | undefined, error: unknown): AirlockError {
  const unreadable = chain(error).find((link) => link.name === "NotReadableError");
  if (unreadable) {
    const message = "An input file changed or went away while it was sent";
    return new AirlockError({ code: "input_changed", message, cause: error });
  }
  const reason =
    lateMs === undefined
      ? chain(error).at(-1)?.message || String(error)
      : `no answer in ${lateMs} ms`;
  return new NetworkError({
    code: lateMs === undefined ? "unreachable" : "request_timeout",
    message: `Cannot reach the gateway at ${baseUrl}: network error: ${reason}`,
    cause: error,
  });
}

/** The error, its cause, the cause of that …; `fetch failed` alone tells nobody anything. */
function chain(error: unknown): Error[] {
  const links: Error[] = [];
  let link: unknown = error;
  while (link instanceof Error && links.length < 8) {
    links.push(link);
    link = link instanceof AggregateError ? link.errors[0] : link.cause;
  }
  return links;
}
