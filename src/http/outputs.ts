import { attachment, currentHeaders, download, notModified } from "./download.ts";
import type { Answers, Front } from "./front.ts";

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
      const current = notModified(c, etag);
      if (current !== undefined) {
        stream.destroy();
        return current;
      }
      return download(
        front,
        c,
        { stream, spent: true },
        {
          ...currentHeaders(etag),
          "Content-Type": safeContentType(output.contentType),
          "Content-Length": String(output.bytes),
          "Content-Disposition": attachment(output.name.split("/").at(-1) ?? ""),
        },
      );
    },

    async getArchive({ c, caller, params }) {
      front.archives(caller.token.workspaceId);
      const { filename, stream } = await corridor.archive(caller.token.workspaceId, params.id);
      return download(
        front,
        c,
        { stream, spent: true },
        {
          "Content-Type": "application/zip",
          "Content-Disposition": attachment(filename),
        },
      );
    },
  };
}

function safeContentType(type: string): string {
  return /^[\w.+-]+\/[\w.+-]+(; ?charset=[\w-]+)?$/.test(type) ? type : "application/octet-stream";
}
