import type { z } from "zod";
import type { ProblemCode } from "../contract/problem.ts";
import type { Scope } from "../contract/token.ts";

/** One answer that is a success. A `schema` is JSON; `content` is anything else. */
export interface Reply {
  description: string;
  schema?: z.ZodType;
  /** Media types other than JSON, each with a sentence on what is in it. */
  content?: Record<string, string>;
  headers?: Record<string, string>;
}

/**
 * One row of the route table, from which both the server and the OpenAPI document are made, so that neither can know a
 * route that the other does not.
 */
export interface Route {
  method: "get" | "post" | "put" | "delete";
  /** In OpenAPI's spelling: `/api/runs/{id}`. */
  path: string;
  /**
   * What a token must open; of a list, one. `any`: every live token; `none`: no token is asked for; `run`: the scope `runs`,
   * or the token of the run itself. The last is checked by the route, which refuses in the words of its own protocol.
   */
  scope: Scope | readonly Scope[] | "any" | "none" | "run";
  tag:
    | "Runs"
    | "Agents"
    | "Bundles"
    | "Outputs"
    | "Approvals"
    | "Interactions"
    | "Policy"
    | "Layers"
    | "Artifacts"
    | "Secrets"
    | "Tokens"
    | "Upkeep"
    | "Gateway";
  summary: string;
  description?: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  /** Request headers with a meaning of their own. */
  headers?: Record<string, string>;
  body?: z.ZodType;
  /** The body holds a secret: no error about it quotes what was found. */
  bodyHidden?: true;
  /** No body at all is an empty object. */
  bodyOptional?: true;
  /** The route also takes the body as the part `submission` of a multipart form, and reads it itself. */
  multipart?: string;
  /** The body is a multipart form of these parts, which the route reads itself; those with `required` must be there. */
  form?: Record<string, { description: string; required?: true }>;
  /** The body is bytes of this media type, which the route reads itself as they come. */
  upload?: { type: string; description: string };
  replies: Record<number, Reply>;
  /** What can go wrong, beside what the shape of the route already tells. */
  problems?: readonly ProblemCode[];
}

/** A header of every answer whose bytes are only ever saved. */
export const attachmentHeader = {
  "Content-Disposition": "Always an attachment, with a safely encoded name",
};

/** The scopes of which a token must have one; undefined for a route that asks for none. */
export function scopesOf({ scope }: Pick<Route, "scope">): readonly Scope[] | undefined {
  if (scope === "any" || scope === "none" || scope === "run") return undefined;
  return typeof scope === "string" ? [scope] : scope;
}

/** Every code that a route can answer with: its own, and those that follow from its shape. */
export function problemsOf(route: Route): ProblemCode[] {
  if (route.scope === "run") return [...(route.problems ?? [])];
  const codes: ProblemCode[] = ["internal", ...(route.problems ?? [])];
  if (route.path.startsWith("/api/") && route.scope !== "none") codes.push("shutting_down");
  if (route.scope !== "none") codes.push("unauthorized");
  if (scopesOf(route) !== undefined) codes.push("insufficient_scope");
  if (route.params) codes.push("not_found");
  // A name that the query does not know is refused everywhere.
  if (route.scope !== "none") codes.push("invalid_request");
  if (route.body || route.upload || route.form)
    codes.push("payload_too_large", "unsupported_media_type");
  return [...new Set(codes)];
}

/** The path in the router's spelling: `/api/runs/:id`. */
export function routerPath(route: Route): string {
  return route.path.replace(/\{(\w+)\}/g, ":$1");
}
