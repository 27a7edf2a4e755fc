import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";

export interface Client {
  /** Sends a request and resolves with the whole answer. Throws unless it is a success. */
  ask(method: string, path: string, body?: unknown): Promise<string>;
  /** Opens an event stream and resolves with it as soon as it is answered. */
  stream(path: string): Promise<IncomingMessage>;
  close(): void;
}

/** A client with its connections open, so that a figure is the server's and not that of a handshake. */
export function openClient({ url, token }: { url: string; token: string }): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  async function send(method: string, path: string, accept: string, body?: unknown) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept };
    if (text !== undefined) {
      headers["content-type"] = "application/json";
      headers["content-length"] = String(Buffer.byteLength(text));
    }
    const sent = request(new URL(path, url), { method, agent, headers });
    sent.setNoDelay(true);
    sent.end(text);
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    return answer;
  }

  return {
    async ask(method, path, body) {
      const answer = await send(method, path, "application/json", body);
      let text = "";
      for await (const chunk of answer.setEncoding("utf8")) text += chunk;
      const { statusCode = 0 } = answer;
      if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
      return text;
    },
    stream: (path) => send("GET", path, "text/event-stream"),
    close: () => agent.destroy(),
  };
}
