import { guardedFetch } from "./guarded-fetch.ts";
import { isHeaderValue } from "./proxy-headers.ts";
import type { Upstream } from "./upstream-pool.ts";
import type { Upstreams } from "./upstreams.ts";

/** Requests of one URL, and of no other. */
export interface BearerFetch {
  /** As `guardedFetch`. What the caller says of its authorization is left out. */
  fetch(init: RequestInit): Promise<Response>;
  /** Cuts its connections. */
  close(): void;
}

/** A credential that no header can carry. Its message does not have the value. */
export class CredentialUnfit extends Error {
  override name = "CredentialUnfit";
}

/**
 * The one place where the credential of a remote tool server is spent (I6): it is asked for at each request, put into
 * `Authorization`, and goes to this URL alone, over connections that carry no other. No redirect is followed, so there is
 * nowhere else that it could go.
 */
export function openBearerFetch(
  upstreams: Pick<Upstreams, "open">,
  url: string,
  secret: (() => Promise<string>) | undefined,
  /** Further headers that are credentials; they win over what the caller says. */
  more: () => Record<string, string> | undefined = () => undefined,
): BearerFetch {
  const pools: Upstream[] = [];
  const guarded = guardedFetch({
    open(base) {
      const pool = upstreams.open(base);
      pools.push(pool);
      return pool;
    },
  });
  return {
    async fetch(init) {
      const headers = new Headers(init.headers);
      headers.delete("authorization");
      if (secret !== undefined) {
        const value = await secret();
        if (!isHeaderValue(value)) {
          throw new CredentialUnfit("It has a line break or what is not Latin-1");
        }
        headers.set("authorization", `Bearer ${value}`);
      }
      for (const [name, value] of Object.entries(more() ?? {})) {
        if (!isHeaderValue(value)) {
          throw new CredentialUnfit(`The header ${name} has a line break or what is not Latin-1`);
        }
        headers.set(name, value);
      }
      return guarded(url, { ...init, headers });
    },
    close() {
      for (const pool of pools.splice(0)) pool.close();
    },
  };
}
