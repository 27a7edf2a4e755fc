import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { post, type Reach } from "./exchange.ts";
import { headersOf, type Session, stateless } from "./session.ts";

export interface Farewells {
  /** Nobody waits for the answer to this request any more. */
  cancelled(session: Session, requestId: number): void;
  /** The session is over. */
  ended(session: Session): void;
  /** Settles when everything was said, or took too long. */
  said(): Promise<void>;
}

/** What a server is told in the end. Nothing depends on it, so it waits for nobody and what fails is only logged. */
export function openFarewells(reach: Reach, log: Log): Farewells {
  const open = new Set<Promise<void>>();
  const say = (send: (signal: AbortSignal) => Promise<Response>) => {
    const saying = send(AbortSignal.timeout(limits.mcpFarewellMs))
      .then((answer) => answer.body?.cancel())
      .catch((error: unknown) => log.debug({ err: error }, "mcp.farewell_failed"))
      .finally(() => open.delete(saying));
    open.add(saying);
  };
  return {
    cancelled(session, requestId) {
      // Where there are no sessions, the end of the connection says it.
      if (session.version === stateless) return;
      const method = "notifications/cancelled";
      const params = { requestId, reason: "Nobody waits for the answer any more" };
      const headers = headersOf(session, method, params);
      const body = { jsonrpc: "2.0", method, params };
      const budget = { left: limits.eventStringBytes };
      say((signal) => post(reach, { headers, body, budget }, signal));
    },
    ended(session) {
      if (session.id === null) return;
      const headers = headersOf(session, "", {});
      say((signal) => reach({ method: "DELETE", headers, signal }));
    },
    said: async () => void (await Promise.all(open)),
  };
}
