import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type ChatMessage, nextTurn } from "./parts.ts";

export interface ModelServer {
  /** What `OPENAI_COMPATIBLE_BASE_URL` is set to. */
  url: string;
  close(): Promise<void>;
}

/** Serves the parts as a model with the API of chat completions, streamed, on loopback. */
export async function openModelServer(): Promise<ModelServer> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { messages } = (await json(request)) as { messages: ChatMessage[] };
  const turn = nextTurn(messages);
  const at = messages.length;
  const isText = typeof turn === "string";
  const delta = isText
    ? { content: turn }
    : {
        tool_calls: turn.map(({ tool, arguments: args }, index) => ({
          ...{ index, id: `call_${at}_${index}`, type: "function" },
          function: { name: tool, arguments: JSON.stringify(args) },
        })),
      };
  const finish_reason = isText ? "stop" : "tool_calls";
  const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (data: unknown) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  const chunk = { id: `turn-${at}`, object: "chat.completion.chunk", created: 0, model: "parts" };
  send({ ...chunk, choices: [{ index: 0, delta: { role: "assistant", ...delta } }] });
  send({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason }] });
  send({ ...chunk, choices: [], usage });
  response.end("data: [DONE]\n\n");
}
