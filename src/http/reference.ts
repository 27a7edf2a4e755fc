import { type ProblemCode, problemStatus } from "../contract/problem.ts";
import { problemsOf, type Route } from "./route.ts";
import { routes } from "./routes.ts";

/** The text between the marks of `docs/http.md`, made from the route table so that it cannot tell of another API. */
export function httpReference(): string {
  const all: Route[] = Object.values(routes);
  const tags = [...new Set(all.map(({ tag }) => tag))];
  return [
    ...tags.map((tag) =>
      section(
        tag,
        all.filter((route) => route.tag === tag),
      ),
    ),
    errors(all),
  ].join("\n\n");
}

function section(tag: string, own: readonly Route[]): string {
  const rows = own.map((route) => {
    const { method, path, summary } = route;
    return `| \`${method.toUpperCase()} ${path}\` | ${summary} | ${scopeOf(route)} | ${takes(route)} | ${gives(route)} |`;
  });
  return [
    `## ${tag}`,
    "",
    "| route | | scope | takes | answers |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function scopeOf({ scope }: Route): string {
  if (scope === "none") return "no token";
  if (scope === "any") return "any token";
  if (scope === "run") return "`runs`, or the run's own token";
  return [scope]
    .flat()
    .map((one) => `\`${one}\``)
    .join(" or ");
}

function takes({ body, multipart, upload, query, bodyOptional }: Route): string {
  const parts: string[] = [];
  if (query) parts.push(`query ${Object.keys(query.shape).map(quoted).join(" ")}`);
  if (body) parts.push(`${nameOf(body)}${bodyOptional ? " or nothing" : ""}`);
  if (multipart) parts.push("or a multipart form");
  if (upload) parts.push(`\`${upload.type}\``);
  return parts.join(", ");
}

function gives({ replies }: Route): string {
  return Object.entries(replies)
    .map(([status, { schema, content }]) => {
      const types = Object.keys(content ?? {}).map(quoted);
      const shape = schema && "shape" in schema ? Object.keys(schema.shape as object) : [];
      const body = shape.length > 0 ? `\`{${shape.join(", ")}}\`` : "";
      return [status, body, ...types].filter((text) => text !== "").join(" ");
    })
    .join("; ");
}

function nameOf(body: NonNullable<Route["body"]>): string {
  const id = body.meta()?.id;
  if (typeof id === "string") return quoted(id);
  const shape = "shape" in body ? Object.keys(body.shape as object) : [];
  return shape.length > 0 ? `\`{${shape.join(", ")}}\`` : "JSON";
}

function quoted(text: string): string {
  return `\`${text}\``;
}

function errors(all: readonly Route[]): string {
  const used = new Set(all.flatMap(problemsOf));
  const rows = (Object.entries(problemStatus) as [ProblemCode, number][])
    .filter(([code]) => used.has(code))
    .map(([code, status]) => `| ${status} | \`${code}\` |`);
  return ["## Error codes", "", "| status | code |", "|---|---|", ...rows].join("\n");
}

const start = "<!-- made by scripts/write-openapi.ts from here -->";

/** A whole document with its reference made anew. Throws when it has no mark. */
export function withReference(document: string): string {
  const at = document.indexOf(start);
  if (at === -1) throw new Error(`The document has no line ${start}`);
  return `${document.slice(0, at + start.length)}\n\n${httpReference()}\n`;
}
