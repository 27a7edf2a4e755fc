import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { openFrontDoor } from "../../test/support/front-door.ts";
import { problemStatus } from "../contract/problem.ts";
import { openApiDocument } from "./openapi.ts";
import { withReference } from "./reference.ts";
import { problemsOf, type Route } from "./route.ts";
import { routes } from "./routes.ts";

type Operation = {
  operationId: string;
  summary: string;
  security: unknown[];
  responses: Record<string, { content?: Record<string, unknown> }>;
};

const repository = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, repository), "utf8");
const document = openApiDocument("0.0.0");
const paths = document.paths as Record<string, Record<string, Operation>>;
const table: [string, Route][] = Object.entries(routes);

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1", async () => {
    expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toEqual({
      valid: true,
    });
  });

  it("resolves every reference in it, and holds no component that nothing refers to", () => {
    const text = JSON.stringify(document);
    const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((m) => m[1]));
    const { schemas } = document.components as { schemas: object };
    expect([...used].sort()).toEqual(Object.keys(schemas).sort());
    expect(text).not.toContain("$defs");
  });

  it("has one operation for each route, and no other", () => {
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, { operationId }]) => `${operationId} ${method} ${path}`,
      ),
    );
    const rows = table.map(([name, route]) => `${name} ${route.method} ${route.path}`);
    expect(operations.sort()).toEqual(rows.sort());
  });

  it("documents every success and every error status of a route, and who may ask", () => {
    for (const [name, route] of table) {
      const operation = paths[route.path]?.[route.method];
      const statuses = new Set([
        ...Object.keys(route.replies),
        ...problemsOf(route).map((code) => String(problemStatus[code])),
      ]);
      expect(Object.keys(operation?.responses ?? {}).sort(), name).toEqual([...statuses].sort());
      expect(operation?.security, name).toEqual(route.scope === "none" ? [] : [{ bearer: [] }]);
      expect(operation?.summary.length, name).toBeGreaterThan(3);
    }
  });

  it("documents the multipart form and the event stream", () => {
    const submit = JSON.stringify(paths["/api/runs"]?.post);
    expect(submit).toContain("multipart/form-data");
    expect(submit).toContain("^file:");
    const events = paths["/api/runs/{id}/events"]?.get?.responses["200"];
    expect(Object.keys(events?.content ?? {})).toContain("text/event-stream");
  });

  it("is served to anyone as it is", async () => {
    const response = await openFrontDoor().app.request("/api/openapi.json");
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it("is the one in docs/openapi.json: write it anew with node scripts/write-openapi.ts", () => {
    const { version } = JSON.parse(read("package.json"));
    const fresh = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
    expect(read("docs/openapi.json") === fresh, "docs/openapi.json is stale").toBe(true);
    const reference = read("docs/http.md");
    expect(withReference(reference) === reference, "docs/http.md is stale").toBe(true);
  });
});
