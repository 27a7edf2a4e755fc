/**
 * A model server that speaks as Anthropic does, for the examples of the documents: asked for a file below /workspace it has
 * it written, or does what the test says for such a prompt; then it says that it is done. It keeps nothing between requests.
 */
import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

interface Said {
  role: "user" | "assistant";
  content: string | { type: string; text?: string }[];
}

export interface Call {
  tool: string;
  arguments: object;
}

/** A command of the sandbox, or a call of another tool; one that needs an earlier result is made of all that was said. */
export type Step = string | Call | ((said: string) => Call);

/** What is done for a prompt that holds the text. */
export interface Part {
  prompt: string;
  commands: Step[];
}

export interface DocumentationModel {
  /** For the gateway's environment. */
  env: Record<string, string>;
  /** The bodies of all requests, as they came. */
  requests: unknown[];
  close(): Promise<void>;
}

export async function openDocumentationModel(parts: readonly Part[]): Promise<DocumentationModel> {
  const requests: unknown[] = [];
  const server = createServer(async (incoming, response) => {
    const body = (await json(incoming)) as { messages: Said[] };
    requests.push(body);
    answer(response, nextCall(parts, body.messages));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      ANTHROPIC_API_KEY: "sk-ant-api03-played-by-the-test",
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
    },
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The text of a message that a person or the gateway said; undefined for the results of calls. */
function saidBy({ role, content }: Said): string | undefined {
  if (role !== "user") return undefined;
  if (typeof content === "string") return content;
  const texts = content.flatMap((part) => (part.type === "text" ? [part.text ?? ""] : []));
  return texts.length === 0 ? undefined : texts.join("\n");
}

function nextCall(parts: readonly Part[], messages: Said[]): Call | undefined {
  const step = nextStep(parts, messages);
  if (typeof step === "string") return { tool: "sandbox_exec", arguments: { command: step } };
  return typeof step === "function" ? step(JSON.stringify(messages)) : step;
}

function nextStep(parts: readonly Part[], messages: Said[]): Step | undefined {
  const at = messages.findLastIndex((message) => saidBy(message) !== undefined);
  const prompt = messages[at] === undefined ? "" : (saidBy(messages[at]) ?? "");
  const done = messages.slice(at).filter(({ role }) => role === "assistant").length;
  const part = parts.find((one) => prompt.includes(one.prompt));
  if (part !== undefined) return part.commands[done];
  // The last one that it names: what is to be read is named before what is to be written.
  const path = prompt.match(/\/workspace\/[\w./-]*\w/g)?.at(-1);
  if (path === undefined || done > 0) return undefined;
  const file = /\.\w+$/.test(path) ? path : `${path}/answer.txt`;
  return `mkdir -p "$(dirname ${file})" && echo "made as asked" > ${file}`;
}

function answer(response: ServerResponse, call: Call | undefined): void {
  const block = call
    ? { type: "tool_use", id: `toolu_${randomUUID()}`, name: call.tool, input: {} }
    : { type: "text", text: "" };
  const delta = call
    ? { type: "input_json_delta", partial_json: JSON.stringify(call.arguments) }
    : { type: "text_delta", text: "Done." };
  const usage = { input_tokens: 10, output_tokens: 5 };
  const message = { id: "msg_1", type: "message", role: "assistant", content: [], model: "claude" };
  const events = [
    { type: "message_start", message: { ...message, stop_reason: null, usage } },
    { type: "content_block_start", index: 0, content_block: block },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: call ? "tool_use" : "end_turn" }, usage },
    { type: "message_stop" },
  ];
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(
    events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  );
}
