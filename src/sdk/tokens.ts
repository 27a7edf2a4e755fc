import type { NewToken, Token } from "../contract/token.ts";
import type { Signal, Transport } from "./transport.ts";

/** API tokens; they need the scope `admin`. */
export interface TokenCalls {
  /** The secret is shown this once. */
  create(token: NewToken, options?: Signal): Promise<{ token: Token; secret: string }>;
  list(options?: Signal): Promise<Token[]>;
  revoke(tokenId: string, options?: Signal): Promise<void>;
}

const root = "/api/tokens";

export function openTokenCalls(transport: Transport): TokenCalls {
  return {
    async create(token, { signal } = {}) {
      const made = await transport.json({ method: "POST", path: root, json: token, signal });
      return made as { token: Token; secret: string };
    },
    async list({ signal } = {}) {
      const found = await transport.json({ method: "GET", path: root, signal });
      return (found as { tokens: Token[] }).tokens;
    },
    async revoke(tokenId, { signal } = {}) {
      const path = `${root}/${encodeURIComponent(tokenId)}`;
      await transport.json({ method: "DELETE", path, signal });
    },
  };
}
