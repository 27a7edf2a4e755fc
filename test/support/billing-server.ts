/**
 * A model server that bills: it writes down what each request costs in the moment in which it takes it, whoever comes back
 * for the answer. It speaks the dialect of chat completions, for `compatible/…`.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Asked {
  /** Bytes of all that a model is shown of the request, none of which can be more than a token. */
  bytes: number;
  maxTokens: number;
  /** How many replies its transcript has. */
  turn: number;
  prompt: string;
  /** The number of this request, from 0. */
  at: number;
}

/** What is billed and answered. Without usage in the answer when `silent`; `cut`: the line breaks after some of it. */
export interface Bill {
  input: number;
  output: number;
  /** A tool call in place of the last word. */
  call?: { tool: string; arguments: unknown };
  said?: string;
  finish?: "stop" | "length";
  silent?: boolean;
  cut?: boolean;
  /** Answered with this status in place of a reply; then nothing is billed. */
  status?: number;
  /** Held back until this is over. */
  until?: Promise<unknown>;
}

export interface BillingServer {
  /** For the gateway's environment. */
  env: Record<string, string>;
  /** Tokens of all requests that were taken. */
  billed: { tokens: number; requests: number };
  asked: Asked[];
  close(): Promise<void>;
}

export async function openBillingServer(bill: (asked: Asked) => Bill): Promise<BillingServer> {
  const billed = { tokens: 0, requests: 0 };
  const all: Asked[] = [];
  const server = createServer(async (incoming, response) => {
    const body = await text(incoming);
    const { messages, tools, ...rest } = JSON.parse(body) as {
      messages: { role: string; content: unknown; tool_calls?: { function: object }[] }[];
      tools?: { function: object }[];
      max_tokens?: number;
    };
    const called = [...messages.flatMap(({ tool_calls = [] }) => tool_calls), ...(tools ?? [])];
    const texts = messages.map(({ content }) => String(content ?? ""));
    const shown = [...texts, ...called.map((one) => JSON.stringify(one.function))].join("");
    const asked: Asked = {
      bytes: Buffer.byteLength(shown),
      maxTokens: rest.max_tokens ?? Number.POSITIVE_INFINITY,
      turn: messages.filter(({ role }) => role === "assistant").length,
      prompt: JSON.stringify(messages.find(({ role }) => role === "user")?.content),
      at: all.length,
    };
    all.push(asked);
    const wanted = bill(asked);
    if (wanted.status === undefined) {
      billed.tokens += wanted.input + wanted.output;
      billed.requests += 1;
    }
    await wanted.until;
    if (!response.destroyed) answer(response, wanted);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ billed, asked: all },
    env: {
      OPENAI_COMPATIBLE_BASE_URL: `http://127.0.0.1:${port}/v1`,
      OPENAI_COMPATIBLE_API_KEY: "billed-by-the-test",
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, bill: Bill): void {
  if (bill.status !== undefined) {
    response.writeHead(bill.status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "not now", type: "test" } }));
    return;
  }
  const { call, said = "done", finish = "stop" } = bill;
  const send = (choices: unknown[], more: object = {}) =>
    response.write(
      `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", choices, ...more })}\n\n`,
    );
  response.writeHead(200, { "content-type": "text/event-stream" });
  const named = call && { name: call.tool, arguments: JSON.stringify(call.arguments) };
  const delta = named
    ? { tool_calls: [{ index: 0, id: "c1", type: "function", function: named }] }
    : { content: said };
  send([{ index: 0, delta: { role: "assistant", ...delta }, finish_reason: null }]);
  if (bill.cut) return void setImmediate(() => response.destroy());
  const finish_reason = named ? "tool_calls" : finish;
  send([{ index: 0, delta: {}, finish_reason }]);
  const usage = { prompt_tokens: bill.input, completion_tokens: bill.output };
  if (!bill.silent) send([], { usage: { ...usage, total_tokens: bill.input + bill.output } });
  response.end("data: [DONE]\n\n");
}
