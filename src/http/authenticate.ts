import { Problem } from "../contract/problem.ts";
import type { Tokens } from "../store/store.ts";
import type { Caller, Ctx } from "./front.ts";
import { type Route, scopesOf } from "./route.ts";

const bearer = /^Bearer +([A-Za-z0-9._~+/=-]{1,512})$/i;
const tokenNames = ["token", "access_token", "api_key", "apikey", "key", "authorization"];

/** The token of the `Authorization` header. Throws `unauthorized` when there is none, or one in the query. */
export function bearerOf(c: Ctx): string {
  const inQuery = tokenNames.find((name) => c.req.query(name) !== undefined);
  if (inQuery !== undefined) {
    throw new Problem(
      "unauthorized",
      `A token is not accepted in the query (${inQuery}=…), where logs would keep it: ` +
        "send the header Authorization: Bearer <token>",
    );
  }
  const header = c.req.header("authorization");
  const secret = header === undefined ? undefined : bearer.exec(header)?.[1];
  if (secret !== undefined) return secret;
  throw new Problem("unauthorized", "No token: send the header Authorization: Bearer <token>");
}

/**
 * Who asks, or a `Problem`: `unauthorized` for anything but a live token in the `Authorization` header, the same words
 * for unknown and revoked; `insufficient_scope` when the token opens none of what the route asks for.
 */
export async function authenticate(
  c: Ctx,
  tokens: Tokens,
  route: Pick<Route, "scope">,
): Promise<Caller> {
  const secret = bearerOf(c);
  const token = await tokens.find(secret);
  if (token === undefined) {
    throw new Problem("unauthorized", "The token is not known here, or it was revoked");
  }
  const scopes = scopesOf(route);
  if (scopes !== undefined && !scopes.some((scope) => token.scopes.includes(scope))) {
    const wanted = scopes.map((scope) => `"${scope}"`).join(" or ");
    throw new Problem(
      "insufficient_scope",
      `The token "${token.name}" does not have the scope ${wanted}`,
      scopes.length === 1 ? { requiredScope: scopes[0] } : { requiredScopes: scopes },
    );
  }
  return { token, isLive: async () => (await tokens.find(secret)) !== undefined };
}
