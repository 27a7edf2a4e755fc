import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as it came over the wire. */
export interface WireRequest {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

/** Answers one request by hand; `seen` is the request with its whole body. */
export type WireAnswer = (response: ServerResponse, seen: WireRequest) => void;

export interface Wire {
  url: string;
  requests: WireRequest[];
  /** Answers the next requests, one each; requests beyond them go on to `upstream`. */
  answer(...answers: WireAnswer[]): void;
  close(): Promise<void>;
}

/**
 * A line between a model client and a model server: it writes down what really went over it, answers by hand where a test
 * wants trouble, and passes everything else on.
 */
export async function openWire(upstream?: string): Promise<Wire> {
  const requests: WireRequest[] = [];
  const answers: WireAnswer[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const seen = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(seen);
      const answer = answers.shift();
      if (answer) return answer(response, seen);
      if (upstream) return forward(upstream, seen, response);
      response.writeHead(500).end("This test has no answer left");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (...more) => void answers.push(...more),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(upstream: string, seen: WireRequest, response: ServerResponse): void {
  const { host: _host, connection: _connection, ...headers } = seen.headers;
  const onward = request(
    `${upstream}${seen.path}`,
    {
      method: seen.method,
      headers: { ...headers, "content-length": Buffer.byteLength(seen.body) },
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    },
  );
  onward.on("error", () => response.destroy());
  onward.end(seen.body);
}

/** Answers with a status, a JSON body and headers. */
export function answerJson(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): WireAnswer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

/** Answers with server-sent events and ends properly, or cuts the line after the last when `cut` is set. */
export function answerEvents(events: readonly unknown[], how: { cut?: boolean } = {}): WireAnswer {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const text = events.map((event) => {
      const type = (event as { type?: string }).type;
      const data = typeof event === "string" ? event : JSON.stringify(event);
      return `${type ? `event: ${type}\n` : ""}data: ${data}\n\n`;
    });
    if (!how.cut) return void response.end(text.join(""));
    response.write(text.join(""), () => response.destroy());
  };
}
