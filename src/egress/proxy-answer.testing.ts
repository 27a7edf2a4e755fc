/** What the tests of answers share: an upstream that says exact bytes, and what one call of it came to. */
import { type ClientRequest, request } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { answerParsing, awaitAnswer } from "./await-answer.ts";
import { type ReadAnswer, type ReadAnswerOptions, readAnswer } from "./proxy-answer.ts";
import { ProxyCut } from "./proxy-cut.ts";
import { redactor } from "./redact.ts";

/** Speaks on one connection after it has read the head of a request. */
export type Script = (socket: Socket) => unknown;

export interface RawUpstream {
  port: number;
  /** Connections that were made so far. */
  connections(): number;
  /** Resolves when every connection that was made is closed. */
  allClosed(): Promise<unknown>;
}

export interface Outcome {
  status?: number;
  headers?: Record<string, string>;
  /** What was read of the body, also when it broke off. */
  body: Buffer;
  answer?: ReadAnswer;
  error?: unknown;
  /** Of the error, when it is ours. */
  code?: string;
}

export type Asking = Partial<ReadAnswerOptions> & { request?: (request: ClientRequest) => void };

export function openAnswerTests() {
  const closers: (() => unknown)[] = [];
  return {
    close: () => Promise.all(closers.splice(0).map((close) => close())),

    async upstream(script: Script): Promise<RawUpstream> {
      const closed: Promise<unknown>[] = [];
      const open = new Set<Socket>();
      const server = createServer((socket) => {
        open.add(socket);
        socket.setNoDelay();
        // That the other side hangs up is what most of these tests are about.
        socket.on("error", () => socket.destroy());
        closed.push(
          new Promise((resolve) => socket.on("close", () => resolve(open.delete(socket)))),
        );
        let head = "";
        socket.on("data", (chunk) => {
          head += chunk.toString("latin1");
          if (!head.endsWith("\r\n\r\n")) return;
          head = "";
          script(socket);
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      closers.push(() => {
        for (const socket of open) socket.destroy();
        return new Promise((resolve) => server.close(resolve));
      });
      return {
        port: (server.address() as AddressInfo).port,
        connections: () => closed.length,
        allClosed: () => Promise.all(closed),
      };
    },
  };
}

/** One call, read to its end. */
export async function call(port: number, given: Asking = {}): Promise<Outcome> {
  const signal = given.signal ?? new AbortController().signal;
  const method = given.method ?? "GET";
  const asked = request({ host: "127.0.0.1", port, method, agent: false, ...answerParsing });
  given.request?.(asked);
  const parts: Uint8Array[] = [];
  const body = () => Buffer.concat(parts);
  let answer: ReadAnswer | undefined;
  try {
    const awaited = awaitAnswer(asked, signal);
    asked.end();
    const response = await awaited;
    answer = readAnswer({
      ...{ response, method, mode: "full", redactor: redactor([]), maxBytes: 1 << 20, signal },
      charge: (bytes) => bytes,
      ...given,
    });
    for await (const part of answer.body ?? []) parts.push(part);
    return { ...shown(answer), body: body() };
  } catch (error) {
    const code = error instanceof ProxyCut ? { code: error.code } : {};
    return { ...(answer ? shown(answer) : {}), body: body(), error, ...code };
  }
}

/** One call of which only the head is read. */
export async function unread(port: number, signal: AbortSignal) {
  const asked = request({ host: "127.0.0.1", port, agent: false, ...answerParsing });
  const awaited = awaitAnswer(asked, signal);
  asked.end();
  const response = await awaited;
  const fixed = { method: "GET", mode: "full", redactor: redactor([]), maxBytes: 1 << 20 } as const;
  const answer = readAnswer({ ...fixed, response, signal, charge: (bytes) => bytes });
  return { response, answer };
}

function shown(answer: ReadAnswer) {
  return { status: answer.status, headers: Object.fromEntries(answer.headers), answer };
}

/** An answer of exactly these headers, with a length. */
export function framed(body: string | Uint8Array, ...headers: (string | Uint8Array)[]): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from("HTTP/1.1 200 OK\r\n"),
    ...headers.flatMap((header) => [Buffer.from(header), Buffer.from("\r\n")]),
    Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
}

/** One piece of a chunked body. */
export function chunk(bytes: string | Uint8Array): Buffer {
  const length = Buffer.byteLength(bytes).toString(16);
  return Buffer.concat([Buffer.from(`${length}\r\n`), Buffer.from(bytes), Buffer.from("\r\n")]);
}

export const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";

/** Writes the same for ever, as fast as it is read. */
export function forEver(socket: Socket, bytes: Uint8Array): void {
  const more = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on("drain", more);
  more();
}
