import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { newId } from "../../src/contract/ids.ts";
import { AirlockClient } from "../../src/sdk/sdk.ts";

/** A request as it arrived; the parts of a form by their names. */
export interface Arrived {
  method: string;
  path: string;
  bytes: number;
  form: Map<string, string | Uint8Array>;
  json: unknown;
}

interface Row {
  id: string;
  name: string;
  contentHash: string;
}

const kinds = {
  skills: { one: "skill", prefix: "skl" },
  agentsmd: { one: "agentsMd", prefix: "amd" },
  files: { one: "file", prefix: "fil" },
} as const;

/**
 * The part of a gateway that clients of bundles speak with, on loopback: it believes what it is told and keeps it in memory, so
 * that only the client is under test. `failNext` makes it answer the next uploads with an error.
 */
export async function openBundleStore() {
  const rows = new Map<string, Row[]>();
  const arrived: Arrived[] = [];
  let failures = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const got = await readRequest(request);
    arrived.push(got);
    const say = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const url = new URL(got.path, "http://localhost");
    const [, , kind = "", id] = url.pathname.split("/");
    if (kind === "runs") return say(201, { run: { id: newId("run") } });
    const { one, prefix } = kinds[kind as keyof typeof kinds];
    const kept = rows.get(kind) ?? [];
    rows.set(kind, kept);
    if (got.method === "POST") {
      if (failures > 0) {
        failures -= 1;
        return say(500, { error: { code: "internal", message: "It did not work" } });
      }
      const [name, contentHash] = [
        String(got.form.get("name")),
        String(got.form.get("contentHash")),
      ];
      const row = { id: `${prefix}_${newId("run").slice(4)}`, name, contentHash };
      kept.unshift(row);
      return say(201, { [one]: row });
    }
    if (id === "by-hash") {
      const wanted = url.searchParams;
      const found = kept.find(
        (row) => row.name === wanted.get("name") && row.contentHash === wanted.get("content_hash"),
      );
      return say(200, { [one]: found ?? null });
    }
    return say(200, { [one === "agentsMd" ? one : `${one}s`]: kept });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    client: new AirlockClient({ token: "alk_test_0123456789abcdef", baseUrl, maxRetries: 0 }),
    /** Uploads that arrived, failed ones too. */
    uploads: () => arrived.filter(({ method, path }) => method === "POST" && path !== "/api/runs"),
    submissions: () => arrived.filter(({ path }) => path === "/api/runs"),
    arrived,
    failNext(count: number) {
      failures = count;
    },
  };
}

async function readRequest(request: IncomingMessage): Promise<Arrived> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const type = request.headers["content-type"] ?? "";
  const form = new Map<string, string | Uint8Array>();
  if (type.startsWith("multipart/")) {
    const parsed = await new Response(body, { headers: { "content-type": type } }).formData();
    for (const [name, part] of parsed) {
      form.set(name, typeof part === "string" ? part : new Uint8Array(await part.arrayBuffer()));
    }
  }
  const json = type === "application/json" ? JSON.parse(body.toString("utf8")) : undefined;
  const { method = "", url = "" } = request;
  return { method, path: url, bytes: body.length, form, json };
}
