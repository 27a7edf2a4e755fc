/** A gateway that takes any submission and any upload, and tells what it was sent. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type Typed, typed } from "../../test/support/terminal.ts";

/** One request as it arrived: its JSON, and the parts of a form by their names. */
export interface Arrived {
  method: string;
  path: string;
  json: Record<string, unknown>;
  parts: Map<string, Buffer>;
}

export interface Taker {
  url: string;
  arrived: Arrived[];
  /** What the next requests get in place of an answer, by their path. */
  refuse: Map<string, { status: number; body: unknown }>;
  airlock(argv: string[], how?: Omit<Typed, "url">): ReturnType<typeof typed>;
  /** The submission of the one run that a command line submits. */
  submitted(argv: string[], how?: Omit<Typed, "url">): Promise<Arrived>;
  close(): Promise<void>;
}

const runId = "run_01kadz3v6m5c0jx9s2qf8t7w4b";

/** Of the run that forks go on from. */
const forked = { mcpServers: [{ name: "tickets", url: "https://tickets.example/" }] };

export async function openTaker(): Promise<Taker> {
  const arrived: Arrived[] = [];
  const refuse: Taker["refuse"] = new Map();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const one = await read(request, pathname);
    arrived.push(one);
    const json = (value: unknown, code = 200) =>
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
    const refused = refuse.get(pathname);
    if (refused) return json(refused.body, refused.status);
    if (pathname === "/api/runs" || pathname.endsWith("/fork")) {
      return json({ run: { id: runId } }, 201);
    }
    if (pathname === `/api/runs/${runId}`) return json({ run: { id: runId, submission: forked } });
    const [, root = "", id] = /^\/api\/(skills|agentsmd|files)(?:\/([\w-]+))?/.exec(pathname) ?? [];
    const kinds = { skills: "skill", agentsmd: "agentsMd", files: "file" } as const;
    const kind = kinds[root as keyof typeof kinds];
    if (kind === undefined) return json({ error: { code: "not_found", message: "No" } }, 404);
    if (id === "by-hash") return json({ [kind]: null });
    if (one.method === "POST") return json({ [kind]: record(one.parts.get("name")?.toString()) });
    if (one.method === "DELETE") return json({});
    json(id === undefined ? { [root]: [record("one")] } : { [kind]: record("one"), files: [] });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const airlock: Taker["airlock"] = (argv, how = {}) => typed(argv, { url, ...how });
  return {
    ...{ url, arrived, refuse, airlock },
    async submitted(argv, how) {
      arrived.length = 0;
      const { code, err } = await airlock(["run", ...argv], how);
      const found = arrived.find(({ path }) => path === "/api/runs");
      if (code !== 0 || !found) throw new Error(`airlock run ended with ${code}: ${err}`);
      const { idempotencyKey: _, ...json } = found.json;
      return { ...found, json };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function record(name = "") {
  return {
    ...{ id: "skl_01kadz3v6m5c0jx9s2qf8t7w4b", name, contentHash: `sha256:${"0".repeat(64)}` },
    ...{ sizeBytes: 2, fileCount: 1, createdAt: "2026-01-01T00:00:00.000Z", description: null },
  };
}

async function read(request: IncomingMessage, path: string): Promise<Arrived> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const type = request.headers["content-type"] ?? "";
  const parts = new Map<string, Buffer>();
  if (type.startsWith("multipart/form-data")) {
    const form = await new Response(body, { headers: { "content-type": type } }).formData();
    for (const [name, value] of form) {
      const bytes = typeof value === "string" ? value : await value.arrayBuffer();
      parts.set(name, Buffer.from(bytes as string));
    }
  }
  const text = parts.get("submission") ?? (type.includes("json") ? body : undefined);
  const json = text === undefined ? {} : (JSON.parse(text.toString()) as Record<string, unknown>);
  return { method: request.method ?? "", path, json, parts };
}
