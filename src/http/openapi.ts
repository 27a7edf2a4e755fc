import { z } from "zod";
import { assert } from "../base/assert.ts";
import { ErrorBody, problemStatus } from "../contract/problem.ts";
import { problemsOf, type Reply, type Route, scopesOf } from "./route.ts";
import { routes } from "./routes.ts";

/*
 * The OpenAPI document, from the route table and the contract's schemas. The schemas are written by zod itself, whose
 * JSON Schema dialect is the one of OpenAPI 3.1. (The generator of @hono/zod-openapi recurses without end on `z.json()`.)
 */

type Json = Record<string, unknown>;

/** Makes the document. `version` is the gateway's. */
export function openApiDocument(version: string): Json {
  const schemas = writeSchemas();
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(name, route, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Airlock",
      version,
      description:
        "Submit runs of AI agents, follow what they do, take what they made. Every answer carries `X-Request-Id`; every " +
        "error is `{error: {code, message, details?}}`. Clients must let members and event types pass that they do not know.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "Runs", description: "Submit, follow, cancel, delete" },
      { name: "Agents", description: "What runs are done by: manifests, texts and files" },
      { name: "Bundles", description: "Skills, instructions and files that runs are given" },
      { name: "Outputs", description: "The files that a run hands back" },
      { name: "Approvals", description: "Questions to people, and their answers" },
      { name: "Interactions", description: "What agents ask people, and what these say" },
      { name: "Policy", description: "May it, and why" },
      { name: "Layers", description: "Trees of installed things, named by their content" },
      {
        name: "Artifacts",
        description: "Bundles of files, layers and entrypoints that run without network",
      },
      {
        name: "Secrets",
        description: "Credentials that the gateway spends; values are write-only",
      },
      { name: "Tokens", description: "Who may do what" },
      { name: "Upkeep", description: "Is everything as it was written" },
      { name: "Gateway", description: "The process itself" },
    ],
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description:
            "A token of the gateway. It decides the workspace; a token in the query is refused",
        },
      },
    },
  };
}

interface Schemas {
  components: Json;
  of(schema: z.ZodType): unknown;
}

/** All schemas are written in one pass, so that each id becomes one component wherever it is used. */
function writeSchemas(): Schemas {
  const all = new Map<z.ZodType, string>([[ErrorBody, "error"]]);
  for (const [name, route] of Object.entries(routes) as [string, Route][]) {
    if (route.body) all.set(route.body, `${name}.body`);
    for (const part of [route.params, route.query]) {
      for (const [key, schema] of Object.entries(part?.shape ?? {})) {
        all.set(schema as z.ZodType, `${name}.${key}`);
      }
    }
    for (const [status, reply] of Object.entries(route.replies)) {
      if (reply.schema) all.set(reply.schema, `${name}.${status}`);
    }
  }
  const root = z.object(Object.fromEntries([...all].map(([schema, name]) => [name, schema])));
  const written = z.toJSONSchema(root, { io: "input", target: "draft-2020-12" });
  const text = JSON.stringify({ defs: written.$defs, properties: written.properties })
    .replaceAll('"#/$defs/', '"#/components/schemas/')
    .replaceAll(/#\/components\/schemas\/__schema\d+/g, "#/components/schemas/JsonValue");
  const { defs, properties }: { defs: Json; properties: Json } = JSON.parse(text);
  return {
    components: sorted(nameJsonValue(defs)),
    of(schema) {
      const name = all.get(schema);
      assert(name !== undefined, "A schema of the route table was not written");
      return properties[name];
    },
  };
}

/** zod numbers the schemas that have no name; the only one that needs one is `z.json()`, which refers to itself. */
function nameJsonValue(defs: Json): Json {
  const named: Json = {};
  for (const [name, schema] of Object.entries(defs)) {
    const isNumbered = name.startsWith("__schema");
    const final = isNumbered ? "JsonValue" : name;
    const same =
      named[final] === undefined || JSON.stringify(named[final]) === JSON.stringify(schema);
    assert(same, `Two different schemas would be called ${final}`);
    named[final] = schema;
  }
  return named;
}

function operation(name: string, route: Route, schemas: Schemas): Json {
  const scopes = scopesOf(route)?.map((one) => `\`${one}\``);
  const ofRun = route.scope === "run" ? " Scope: `runs`, or the token of the run itself." : "";
  const scope = scopes === undefined ? ofRun : ` Scope: ${scopes.join(" or ")}.`;
  const description = `${route.description ?? ""}${scope}`.trim();
  const parameters = [
    ...parametersOf(route.params, "path", schemas),
    ...parametersOf(route.query, "query", schemas),
    ...Object.entries(route.headers ?? {}).map(([header, text]) => ({
      name: header,
      in: "header",
      required: false,
      description: text,
      schema: { type: "string" },
    })),
  ];
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    ...(description === "" ? {} : { description }),
    security: route.scope === "none" ? [] : [{ bearer: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body ? { requestBody: requestBody(route, route.body, schemas) } : {}),
    ...(route.upload ? { requestBody: uploadBody(route.upload) } : {}),
    ...(route.form ? { requestBody: formBody(route.form) } : {}),
    responses: responses(route, schemas),
  };
}

function parametersOf(part: z.ZodObject | undefined, place: string, schemas: Schemas): Json[] {
  return Object.entries(part?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = schemas.of(schema as z.ZodType) as Json;
    return {
      name,
      in: place,
      required: place === "path",
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

function requestBody(route: Route, body: z.ZodType, schemas: Schemas): Json {
  const schema = schemas.of(body);
  if (route.multipart === undefined) {
    const required = route.bodyOptional !== true;
    return { required, content: { "application/json": { schema } } };
  }
  const form = {
    schema: {
      type: "object",
      description: route.multipart,
      properties: { submission: schema },
      required: ["submission"],
      patternProperties: {
        "^file:[A-Za-z0-9_-]{1,64}$": { description: "The bytes of one file" },
      },
      additionalProperties: false,
    },
    encoding: { submission: { contentType: "application/json" } },
  };
  return {
    required: true,
    content: { "application/json": { schema }, "multipart/form-data": form },
  };
}

function uploadBody({ type, description }: NonNullable<Route["upload"]>): Json {
  return { required: true, content: { [type]: { schema: { description } } } };
}

function formBody(form: NonNullable<Route["form"]>): Json {
  const parts = Object.entries(form);
  const schema = {
    type: "object",
    properties: Object.fromEntries(parts.map(([name, { description }]) => [name, { description }])),
    required: parts.flatMap(([name, { required }]) => (required ? [name] : [])),
    additionalProperties: false,
  };
  return { required: true, content: { "multipart/form-data": { schema } } };
}

function responses(route: Route, schemas: Schemas): Json {
  const made: Record<string, Json> = {};
  for (const [status, reply] of Object.entries(route.replies)) {
    made[status] = response(reply, schemas);
  }
  const byStatus = Object.groupBy(problemsOf(route), (code) => problemStatus[code]);
  for (const [status, codes] of Object.entries(byStatus)) {
    // A status that is also a success of its own (readyz) keeps that meaning.
    made[status] ??= {
      description: codes?.map((code) => `\`${code}\``).join(", "),
      headers: headersOf({ description: "" }),
      content: { "application/json": { schema: schemas.of(ErrorBody) } },
    };
  }
  return sorted(made);
}

function response(reply: Reply, schemas: Schemas): Json {
  const content: Json = {};
  if (reply.schema) content["application/json"] = { schema: schemas.of(reply.schema) };
  for (const [type, description] of Object.entries(reply.content ?? {})) {
    content[type] = {
      schema: { description, ...(type.startsWith("text/") ? { type: "string" } : {}) },
    };
  }
  return {
    description: reply.description,
    headers: headersOf(reply),
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

function headersOf(reply: Reply): Json {
  const headers = { "X-Request-Id": "Names this request in the gateway's log", ...reply.headers };
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: "string" } },
    ]),
  );
}

function sorted(record: Json): Json {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
