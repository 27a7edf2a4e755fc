/**
 * Runs whose model is the test itself: each call is made when the test asks for it and gives back what the model was
 * told. The gateway sees an ordinary model server; a turn that it asks for again after a restart gets the same answer.
 */
import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { AirlockClient, RunRef } from "../../src/sdk/sdk.ts";
import { clientOf, type Reachable } from "./airlock-api.ts";

export type CallAnswer = { ok: boolean } & Record<string, unknown>;

export interface DirectedRun {
  id: string;
  run: RunRef;
  /** What the model is told of this call. Rejects when the run ends instead. */
  call(tool: string, args: unknown): Promise<CallAnswer>;
  /** The model has nothing more to do; resolves once the run has ended, as a gateway that was started again says it. */
  end(at?: RunRef): Promise<Awaited<ReturnType<RunRef["wait"]>>>;
}

export type Submission = Omit<Parameters<AirlockClient["submitRun"]>[0], "model" | "prompt">;

/** What a model is sent. */
export interface ModelRequest {
  model: string;
  messages: ChatMessage[];
  tools?: { function: { name: string; description: string; parameters: unknown } }[];
}

export interface Director {
  /** Every request of a model, in order. */
  requests: ModelRequest[];
  /** For the gateway's environment. */
  env: Record<string, string>;
  open(gateway: Reachable, submission?: Submission): Promise<DirectedRun>;
  close(): Promise<void>;
}

interface Turn {
  reply: PromiseWithResolvers<Delta>;
  /** What came of its calls. */
  told: PromiseWithResolvers<CallAnswer>;
}

type Delta = { content: string } | { tool_calls: unknown[] };

export interface ChatMessage {
  role: string;
  content: unknown;
}

export async function openDirector(): Promise<Director> {
  const runs = new Map<string, Turn[]>();
  const requests: ModelRequest[] = [];
  const turnOf = (name: string, at: number): Turn => {
    const turns = runs.get(name) ?? [];
    runs.set(name, turns);
    turns[at] ??= { reply: Promise.withResolvers(), told: Promise.withResolvers() };
    return turns[at];
  };
  const server = createServer(async (incoming, response) => {
    const body = (await json(incoming)) as ModelRequest;
    requests.push(body);
    const at = body.messages.filter(({ role }) => role === "assistant").length;
    // What a person answered meanwhile is told after the result.
    const last = body.messages.findLast(({ role }) => role !== "user");
    if (at > 0 && last?.role === "tool") {
      turnOf(body.model, at - 1).told.resolve(JSON.parse(String(last.content)) as CallAnswer);
    }
    answer(response, await turnOf(body.model, at).reply.promise);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return {
    requests,
    env: {
      OPENAI_COMPATIBLE_BASE_URL: `http://127.0.0.1:${port}/v1`,
      OPENAI_COMPATIBLE_API_KEY: "directed-by-the-test",
    },
    async open(gateway, submission = {}) {
      const name = randomUUID();
      const model = `compatible/${name}`;
      const run = await clientOf(gateway).submitRun({ ...submission, model, prompt: "go" });
      let at = 0;
      const over = run.wait().then(
        (ended): never => {
          throw new Error(`The run has ended: ${JSON.stringify(ended)}`);
        },
        // A gateway that was killed comes back at another address.
        () => new Promise<never>(() => undefined),
      );
      // Told to the call that waits when it happens; a run that ends when it should is no error.
      over.catch(() => undefined);
      return {
        ...{ id: run.id, run },
        async call(tool, args) {
          const turn = turnOf(name, at);
          at += 1;
          const call = { name: tool, arguments: JSON.stringify(args) };
          const tool_calls = [{ index: 0, id: `c${at}`, type: "function", function: call }];
          turn.reply.resolve({ tool_calls });
          return Promise.race([turn.told.promise, over]);
        },
        end(ref = run) {
          turnOf(name, at).reply.resolve({ content: "done" });
          return ref.wait();
        },
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, delta: Delta): void {
  const finish_reason = "tool_calls" in delta ? "tool_calls" : "stop";
  const chunk = (choice: unknown) =>
    `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", choices: [choice] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk({ index: 0, delta: { role: "assistant", ...delta }, finish_reason: null }));
  response.end(`${chunk({ index: 0, delta: {}, finish_reason })}data: [DONE]\n\n`);
}
