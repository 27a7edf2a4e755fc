import { z } from "zod";
import { isDeeper } from "../base/is-deeper.ts";
import { limits } from "../base/limits.ts";
import { McpError } from "./mcp-error.ts";

const Id = z.union([z.string(), z.number()]);

const Complaint = z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() });

/** What a server may send: the answer to a request of ours, a request of its own, or a notification. */
const Message = z.union([
  z.object({ id: Id.nullish(), error: Complaint }),
  z.object({ id: Id, result: z.record(z.string(), z.unknown()) }),
  z.object({ id: Id, method: z.string(), params: z.unknown().optional() }),
  z.object({ method: z.string(), params: z.unknown().optional() }),
]);
export type Message = z.infer<typeof Message>;

/** The messages of one JSON text, which in an earlier version of the protocol may be a list. Throws `protocol`. */
export function readMessages(text: string): Message[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new McpError("protocol", "The server sent what is no JSON", { cause });
  }
  if (isDeeper(parsed, limits.requestJsonDepth)) {
    throw new McpError("protocol", "The server sent JSON that is nested too deeply");
  }
  const list = Array.isArray(parsed) ? parsed : [parsed];
  return list.map((one) => {
    const message = Message.safeParse(one);
    if (message.success) return message.data;
    throw new McpError("protocol", "The server sent what is no message of JSON-RPC");
  });
}
