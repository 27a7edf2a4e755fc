import type { z } from "zod";
import { type ArtifactProve, ArtifactUpload } from "../contract/artifact-request.ts";
import { Problem } from "../contract/problem.ts";
import type { ExecArtifactRequest } from "../run/run.ts";
import { attachment, currentHeaders, download, notModified } from "./download.ts";
import { readSubmission } from "./form.ts";
import type { Answers, Caller, Ctx, Front } from "./front.ts";
import { idempotencyKey } from "./idempotency-key.ts";
import type { artifactRoutes } from "./inventory-routes.ts";
import { leaving } from "./layers.ts";

type Asked = z.output<typeof ArtifactProve>;

/** Artifacts of a workspace, and the runs that start from them. */
export function answerArtifacts(front: Front): Pick<Answers, keyof typeof artifactRoutes> {
  const { inventory, corridor } = front;

  async function start(
    c: Ctx,
    { token }: Caller,
    asked: Asked & Pick<ExecArtifactRequest, "ref" | "prove">,
  ): Promise<Response> {
    const { workspaceId, id: submittedBy } = token;
    front.submissions(workspaceId);
    const { ref, prove, entrypoint, command, args = [], limits } = asked;
    const key = idempotencyKey(c.req.header("idempotency-key"), asked.idempotencyKey);
    const { created, run } = await corridor.execArtifact({
      ...{ workspaceId, submittedBy, ref, prove, args },
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(command === undefined ? {} : { command }),
      ...(limits === undefined ? {} : { limits }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    });
    if (!created) return c.json({ run }, 200, { "Idempotent-Replayed": "true" });
    return c.json({ run }, 201, { Location: `/api/runs/${run.id}` });
  }

  return {
    async listArtifacts({ c, caller, query }) {
      const { rows, ...rest } = await inventory.artifacts(caller.token.workspaceId, query);
      return c.json({ artifacts: rows, ...rest });
    },

    async createArtifact({ c, caller }) {
      const { workspaceId } = caller.token;
      // Before the body, which is what costs.
      front.submissions(workspaceId);
      const { submission, uploads } = await readSubmission(c, ArtifactUpload, front);
      const made = await inventory.createArtifact(workspaceId, submission, uploads);
      const { created, artifact } = made;
      if (!created) return c.json({ artifact }, 200);
      return c.json({ artifact }, 201, { Location: `/api/artifacts/${artifact.id}` });
    },

    async getArtifact({ c, caller, params }) {
      return c.json(await inventory.artifact(caller.token.workspaceId, params.ref));
    },

    async revokeArtifact({ c, caller, params: { ref } }) {
      if (await inventory.revokeRef(caller.token.workspaceId, ref)) return c.json({});
      throw new Problem("not_found", `There is no artifact ${JSON.stringify(ref)}`);
    },

    execArtifact: ({ c, caller, params, body }) =>
      start(c, caller, { ...body, ref: params.ref, prove: false }),

    proveArtifact: ({ c, caller, params, body }) =>
      start(c, caller, { ...body, ref: params.ref, prove: true }),

    async exportArtifact({ c, caller, params, query }) {
      const { workspaceId } = caller.token;
      const { format } = query;
      const { id, digest } = (await inventory.artifact(workspaceId, params.ref)).artifact;
      // Weak: another version of the compressor may pack the same files into other bytes.
      const etag = `W/"${digest}.${format}"`;
      const current = notModified(c, etag);
      if (current !== undefined) return current;
      front.exports(workspaceId);
      const made = await inventory.exportArtifact(workspaceId, id, format, leaving(front, c));
      const { filename, contentType, stream, bytes } = made;
      return download(
        front,
        c,
        { stream },
        {
          ...currentHeaders(etag),
          "Content-Type": contentType,
          ...(bytes === undefined ? {} : { "Content-Length": String(bytes) }),
          "Content-Disposition": attachment(filename),
        },
      );
    },
  };
}
