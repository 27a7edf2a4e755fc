/** A gateway that lies about ids and states: its words come to a terminal as words, and never as commands to it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { typed } from "../../test/support/terminal.ts";

const evil = "\x1b]0;owned\x07\x1b[2J\x9b1A\u202eno";
const run = {
  ...{ id: `run_${evil}`, status: `succeeded${evil}`, stop_reason: evil, message: evil },
  ...{ turns: 1, calls: 1, usage: { totalTokens: 1 }, costUsd: 0, reply: evil, queue: null },
  ...{ model: evil, startedAt: `${evil}2026`, finishedAt: "2026-01-01T00:00:00.000Z" },
  ...{ submission: { prompt: [evil], forked: { run_id: evil, turn: evil } }, lastSeq: 0 },
  ...{ createdAt: `2026${evil}`, workspaceId: evil, isolation: null, timeoutMs: null },
};
const record = {
  ...{ id: `skl_${evil}`, name: evil, contentHash: evil, sizeBytes: 1, fileCount: 1 },
  ...{ createdAt: evil, description: evil, updatedAt: evil },
};

let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const json = (value: unknown, code = 200) => {
      response.setHeader("x-request-id", "req_1");
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    if (pathname.endsWith("/outputs")) {
      return json({ outputs: [{ id: `out_${evil}`, name: evil, path: evil, bytes: 1 }] });
    }
    if (pathname === "/api/runs" && request.method === "GET") return json({ runs: [run] });
    if (pathname.startsWith("/api/runs")) return json({ run });
    if (pathname === "/api/skills" && request.method === "GET") return json({ skills: [record] });
    if (pathname.startsWith("/api/skills/")) {
      return json({ skill: record, files: [{ path: evil, mode: 0o644, bytes: 1 }] });
    }
    json({ error: { code: `nothing${evil}`, message: evil, details: { [evil]: evil } } }, 404);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const commands = [
  ["run", "--model", "claude-sonnet-4-5", "Say hello"],
  ["status", "run_x"],
  ["list"],
  ["outputs", "run_x"],
  ["cancel", "run_x"],
  ["skills", "list"],
  ["skills", "get", "skl_x"],
  ["whoami"],
];

describe("what a hostile gateway says", () => {
  for (const argv of commands) {
    for (const tty of [true, false]) {
      it(`airlock ${argv.join(" ")} shows ${tty ? "a person" : "a program"} nothing that a terminal obeys`, async () => {
        const { out, err } = await typed(argv, { url, tty, env: { TERM: "xterm" } });
        // What the spinner writes to erase its own line, and colours.
        const own = /\x1b\[(2K|[\d;]*m)|\r(?=\x1b\[2K)/g;
        const shown = (out + err).replace(own, "");
        expect(shown).toContain("owned");
        expect(shown).not.toContain("\u202e");
        expect(shown).not.toContain("\x9b");
        expect(shown.replace(/[\n\t]/g, "")).not.toMatch(/\p{Cc}/u);
        expect(stripVTControlCharacters(shown)).toBe(shown);
      });
    }
  }
});
