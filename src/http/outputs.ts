import type { Readable } from "node:stream";
import type { Answers, Ctx, Front } from "./front.ts";
import { pulledBody } from "./pulled-body.ts";

/** The files that a run hands back. Their bytes were made by code that nobody trusts: never shown, only saved. */
export function answerOutputs(
  front: Front,
): Pick<Answers, "listOutputs" | "getOutput" | "getArchive"> {
  const { corridor } = front;
  return {
    async listOutputs({ c, caller, params }) {
      return c.json({ outputs: await corridor.outputs(caller.token.workspaceId, params.id) });
    },

    async getOutput({ c, caller, params }) {
      const { workspaceId } = caller.token;
      const { output, stream } = await corridor.output(workspaceId, params.id, params.outputId);
      const etag = `"${output.sha256}"`;
      const headers = { ETag: etag, "Cache-Control": "private, no-cache" };
      if (isCurrent(c.req.header("if-none-match"), etag)) {
        stream.destroy();
        return c.body(null, 304, headers);
      }
      return download(front, c, stream, {
        ...headers,
        "Content-Type": safeContentType(output.contentType),
        "Content-Length": String(output.bytes),
        "Content-Disposition": attachment(output.name.split("/").at(-1) ?? ""),
      });
    },

    async getArchive({ c, caller, params }) {
      front.archives(caller.token.workspaceId);
      const { filename, stream } = await corridor.archive(caller.token.workspaceId, params.id);
      return download(front, c, stream, {
        "Content-Type": "application/zip",
        "Content-Disposition": attachment(filename),
      });
    },
  };
}

function download(front: Front, c: Ctx, stream: Readable, headers: Record<string, string>) {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  const body = pulledBody(c, front.log, chunks, () => stream.destroy());
  return c.body(body, 200, headers);
}

/**
 * The name twice, as RFC 6266 advises: `filename*` in percent-encoded UTF-8, which cannot end the header, name a folder
 * or be read in two ways; and before it, for clients that do not know that form (curl -J), `filename` in the few
 * characters that mean the same to everybody.
 */
export function attachment(name: string): string {
  const bare = name.toWellFormed().replace(/[\0-\x1f\x7f/\\]/g, "_");
  const encoded = encodeURIComponent(bare === "" ? "output" : bare).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const plain = bare.replace(/[^A-Za-z0-9._-]/g, "_").replace(/^\.+/, "_") || "output";
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

function safeContentType(type: string): string {
  return /^[\w.+-]+\/[\w.+-]+(; ?charset=[\w-]+)?$/.test(type) ? type : "application/octet-stream";
}

function isCurrent(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => ["*", etag, `W/${etag}`].includes(part.trim()));
}
