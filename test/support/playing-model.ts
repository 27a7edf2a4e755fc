/**
 * A model server that plays parts: the last line of the newest `play NAME` that a user said names the part, and the answers
 * since then how far it has come. It keeps nothing between requests, so a run that is asked again, or forked, goes on where
 * it should; it remembers every request for tests to look at.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface PlayedCall {
  tool: string;
  arguments: unknown;
}

/** One answer: a text, calls, or a text that is only said when somebody lets it. */
export type PlayedTurn =
  | string
  | PlayedCall[]
  | { text: string; when: Promise<unknown>; onAsked: () => void };

export interface SaidMessage {
  role: string;
  content: unknown;
  tool_calls?: { function: { name: string; arguments: string } }[];
}

interface Request {
  model: string;
  messages: SaidMessage[];
  tools?: { function: { name: string } }[];
}

export interface PlayingModel {
  /** For the gateway's environment. */
  env: Record<string, string>;
  /** What it was asked for a model, in order: the messages of each request. */
  asked(model: string): SaidMessage[][];
  /** The names of the tools that it was shown in the newest request for a model. */
  shown(model: string): string[];
  close(): Promise<void>;
}

/** Its models are `compatible/<any name>`. */
export async function openPlayingModel(parts: Record<string, PlayedTurn[]>): Promise<PlayingModel> {
  const requests = new Map<string, SaidMessage[][]>();
  const tools = new Map<string, string[]>();
  const server = createServer(async (incoming, response) => {
    const body = (await json(incoming)) as Request;
    tools.set(body.model, body.tools?.map((one) => one.function.name) ?? []);
    requests.set(body.model, [...(requests.get(body.model) ?? []), body.messages]);
    await answer(response, turnOf(parts, body.messages));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OPENAI_COMPATIBLE_BASE_URL: `http://127.0.0.1:${port}/v1`,
      OPENAI_COMPATIBLE_API_KEY: "played-by-the-test",
    },
    shown: (model) => tools.get(model) ?? [],
    asked: (model) => requests.get(model) ?? [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The text of a message, whether it came as one or in parts. */
export function saidIn({ content }: SaidMessage): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: string }) => part.text ?? "").join("");
}

function turnOf(parts: Record<string, PlayedTurn[]>, messages: SaidMessage[]): PlayedTurn {
  const name = (message: SaidMessage) =>
    message.role === "user" ? /play ([\w-]+)\s*$/.exec(saidIn(message))?.[1] : undefined;
  const at = messages.findLastIndex((message) => name(message) !== undefined);
  const message = messages[at];
  const part = parts[(message && name(message)) ?? ""] ?? [];
  const said = messages.slice(at).filter(({ role }) => role === "assistant").length;
  return part[said] ?? "Nothing more.";
}

async function answer(response: ServerResponse, turn: PlayedTurn): Promise<void> {
  if (typeof turn === "object" && "when" in turn) {
    turn.onAsked();
    await turn.when;
  }
  const delta = Array.isArray(turn)
    ? {
        tool_calls: turn.map((call, index) => ({
          ...{ index, id: `c${index}`, type: "function" },
          function: { name: call.tool, arguments: JSON.stringify(call.arguments) },
        })),
      }
    : { content: typeof turn === "string" ? turn : turn.text };
  const finish_reason = Array.isArray(turn) ? "tool_calls" : "stop";
  const chunk = (choice: unknown) =>
    `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", choices: [choice] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk({ index: 0, delta: { role: "assistant", ...delta }, finish_reason: null }));
  response.end(`${chunk({ index: 0, delta: {}, finish_reason })}data: [DONE]\n\n`);
}
