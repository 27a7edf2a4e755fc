/**
 * The front door: requests become calls of the corridor, and nothing is decided here. Each row of `routes.ts` is bound to
 * one function; all requests take the same way in: request id, host, token, path, query, body.
 *
 * I9  Bodies, streams, connections and waits are bounded; what is too much is answered with its name.
 * I11 The CLI and the console come through here like everybody else.
 * I14 The workspace comes from the token and from nowhere else.
 */
import { Hono } from "hono";
import { z } from "zod";
import { newId } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import { answerAgents } from "./agents.ts";
import { answerProblem, safeHeaders } from "./answer-problem.ts";
import { answerApprovals } from "./approvals.ts";
import { answerArtifacts } from "./artifacts.ts";
import { authenticate } from "./authenticate.ts";
import { answerBundles } from "./bundles.ts";
import { answerEvents } from "./events.ts";
import { checked, fieldProblem } from "./field-problems.ts";
import { answerForks } from "./fork.ts";
import type { Answers, Ask, Ctx, Env, Front, HttpOptions } from "./front.ts";
import { answerGateway } from "./gateway-answers.ts";
import { checkHost } from "./host-check.ts";
import { answerInteractions } from "./interactions.ts";
import { answerLayers } from "./layers.ts";
import { type Listening, listen } from "./listen.ts";
import { openApiDocument } from "./openapi.ts";
import { answerOutputs } from "./outputs.ts";
import { answerProxy } from "./proxy.ts";
import { queryMembers } from "./query.ts";
import { openRateLimit } from "./rate-limit.ts";
import { readJsonBody, readOptionalJsonBody } from "./read-body.ts";
import { readRest } from "./read-rest.ts";
import { openRefusalLog } from "./refusal-log.ts";
import { type Route, routerPath } from "./route.ts";
import { type RouteName, routes } from "./routes.ts";
import { answerRuns } from "./runs.ts";
import { answerSecrets } from "./secrets.ts";

export type { HttpOptions, ProxyCallRequest, ProxyRoom, SecretsRoom } from "./front.ts";
export type { Listening } from "./listen.ts";
export { openApiDocument } from "./openapi.ts";

export interface Http {
  app: Hono<Env>;
  /** Starts to serve. Port 0 takes a free one. `close` of the result ends event streams, drains and lets go. */
  listen(address: { host: string; port: number }): Promise<Listening>;
}

/** Builds the front door. Serves nothing until `listen`. */
export function createHttp(options: HttpOptions): Http {
  const closing = new AbortController();
  const { clock, log, limits } = options;
  const refusals = openRefusalLog(log, clock);
  const front: Front = {
    ...options,
    closing: closing.signal,
    streams: { open: 0 },
    refusals,
    submissions: openRateLimit("submissions", limits.submissionsPerMinute, clock),
    archives: openRateLimit("archives", limits.archivesPerMinute, clock),
    exports: openRateLimit("exports", limits.exportsPerMinute, clock),
  };
  const answers: Answers = {
    ...answerRuns(front),
    ...answerEvents(front),
    ...answerOutputs(front),
    ...answerApprovals(front),
    ...answerForks(front),
    ...answerInteractions(front),
    ...answerLayers(front),
    ...answerArtifacts(front),
    ...answerAgents(front),
    ...answerBundles(front),
    ...answerSecrets(front),
    ...answerProxy(front),
    ...answerGateway(front, openApiDocument(options.version)),
  };
  const app = new Hono<Env>();
  const address = { host: "localhost" };
  app.use(async (c, next) => {
    c.set("requestId", newId("request"));
    checkHost(c.req.header("host") ?? new URL(c.req.url).host, address.host);
    await next();
    for (const [name, value] of Object.entries(safeHeaders)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    c.res.headers.set("X-Request-Id", c.get("requestId"));
    await readRest(c.env?.incoming, front.clock);
    // What is left of a body is not read: a client must not send its next request behind it.
    if (c.env?.incoming?.complete === false) c.res.headers.set("Connection", "close");
    // The router answers HEAD with the headers of GET and drops the body; a stream must be told.
    if (c.req.method === "HEAD") await c.res.body?.cancel();
  });
  for (const name of Object.keys(routes) as RouteName[]) bind(app, front, answers, name);
  refuseOtherMethods(app, front);
  app.notFound((c) => {
    const where = JSON.stringify(c.req.path.slice(0, 100));
    return refuse(c, front, new Problem("not_found", `No route ${c.req.method} ${where}`));
  });
  app.onError((error, c) => refuse(c, front, error));
  return {
    app,
    async listen({ host, port }) {
      address.host = host;
      const server = await listen((request, env) => app.fetch(request, env), {
        ...{ host, port, limits, clock, log, refusals },
      });
      const close = (drainMs: number) => {
        closing.abort();
        return server.close(drainMs);
      };
      return { url: server.url, port: server.port, close };
    },
  };
}

function bind<K extends RouteName>(app: Hono<Env>, front: Front, answers: Answers, name: K): void {
  const route: Route = routes[name];
  app.on(route.method.toUpperCase(), routerPath(route), async (c) => {
    try {
      return await answers[name]((await readAsk(c, front, route)) as Ask<K>);
    } catch (error) {
      return refuse(c, front, error, route.path);
    }
  });
}

/** Authentication comes before everything that costs or tells something. */
async function readAsk(c: Ctx, front: Front, route: Route) {
  if (route.scope === "none" || route.scope === "run") return { c };
  if (front.closing.aborted) {
    throw new Problem("shutting_down", "The gateway is stopping: ask again in a few seconds");
  }
  const caller = await authenticate(c, front.tokens, route);
  const params = readParams(c, route);
  const query = checked(route.query ?? z.strictObject({}), queryMembers(c.req.queries()), "query");
  const readBody = route.bodyOptional ? readOptionalJsonBody : readJsonBody;
  const isJson = route.body !== undefined && route.multipart === undefined;
  const body = isJson
    ? checked(route.body as z.ZodType, await readBody(c.req.raw, front), "body", {
        hidden: route.bodyHidden === true,
      })
    : undefined;
  return { c, caller, params, query, body };
}

/**
 * An id of the wrong shape is the id of nothing, so it is answered like one that nobody has; what would be made under such
 * a name is a mistake.
 */
function readParams(c: Ctx, route: Route): unknown {
  if (route.params === undefined) return undefined;
  const result = route.params.safeParse(c.req.param());
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = String(issue?.path[0]);
  const found = JSON.stringify((c.req.param(name) ?? "").slice(0, 100));
  if (route.method === "put") throw fieldProblem(name, `${issue?.message}, and found ${found}`);
  throw new Problem("not_found", `Nothing here has the ${name} ${found}: ${issue?.message}`);
}

/** A known path with another method is 405 and names the methods that there are. */
function refuseOtherMethods(app: Hono<Env>, front: Front): void {
  const all: Route[] = Object.values(routes);
  for (const path of new Set(all.map(routerPath))) {
    const methods = all.filter((route) => routerPath(route) === path).map((route) => route.method);
    const allow = methods.flatMap((method) => (method === "get" ? ["GET", "HEAD"] : [method]));
    const names = allow.map((method) => method.toUpperCase());
    app.all(path, (c) => {
      const message = `Cannot ${c.req.method} here: expected ${names.join(", ")}`;
      return refuse(c, front, new Problem("method_not_allowed", message, { allow: names }), path);
    });
  }
}

function refuse(c: Ctx, front: Front, error: unknown, route = "?"): Response {
  const requestId = c.get("requestId") ?? newId("request");
  return answerProblem(error, { requestId, method: c.req.method, route }, front.refusals);
}
