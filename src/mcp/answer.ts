import { createParser, type EventSourceMessage } from "eventsource-parser";
import { limits } from "../base/limits.ts";
import { type Message, readMessages } from "./json-rpc.ts";
import { McpError } from "./mcp-error.ts";

/** How many bytes an exchange may still be answered with, over all its streams and pages. */
export interface Budget {
  left: number;
}

/** Where a broken stream can be taken up again. */
export interface StreamPlace {
  lastId: string | undefined;
  retryMs: number | undefined;
}

/** The messages of an answer, as JSON or as a stream of events, as they come. Throws `too_large` and `protocol`. */
export async function* messagesOf(
  answer: Response,
  budget: Budget,
  place: StreamPlace,
): AsyncGenerator<Message> {
  const type = answer.headers.get("content-type") ?? "";
  if (/^text\/event-stream\b/i.test(type)) {
    for await (const { event = "message", data } of events(answer, budget, place)) {
      // An event without data only says where the stream can be taken up.
      if (event === "message" && data !== "") yield* readMessages(data);
    }
  } else if (/^application\/json\b/i.test(type)) {
    yield* readMessages(await textOf(answer, budget));
  } else {
    await answer.body?.cancel();
    const shown = JSON.stringify(type.slice(0, 100));
    throw new McpError(
      "protocol",
      `The server answered with the content type ${shown}; expected application/json or text/event-stream`,
    );
  }
}

async function* events(
  answer: Response,
  budget: Budget,
  place: StreamPlace,
): AsyncGenerator<EventSourceMessage> {
  const ready: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (message) => ready.push(message),
    onId: (id) => {
      // One that no header can carry cannot be sent back.
      place.lastId = /^[\x21-\x7e]{1,1024}$/.test(id) ? id : undefined;
    },
    onRetry: (ms) => {
      place.retryMs = ms;
    },
    maxBufferSize: limits.mcpAnswerBytes,
  });
  const decoder = new TextDecoder();
  for await (const chunk of chunks(answer, budget)) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* ready.splice(0);
  }
}

/** The whole body as text. */
export async function textOf(answer: Response, budget: Budget): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks(answer, budget)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** However it is left, the connection that brings the rest is cut. */
async function* chunks(answer: Response, budget: Budget): AsyncGenerator<Uint8Array> {
  if (answer.body === null) return;
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      budget.left -= value.byteLength;
      if (budget.left < 0) {
        throw new McpError("too_large", "The server answered with more bytes than are read");
      }
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}
