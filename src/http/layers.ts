import { limits } from "../base/limits.ts";
import type { Abi } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import { attachment, currentHeaders, download, notModified } from "./download.ts";
import type { Answers, Ctx, Front } from "./front.ts";
import type { layerRoutes } from "./inventory-routes.ts";
import { bodyChunks, refuseEncoding } from "./read-body.ts";

/** Layers of a workspace: each request becomes one call of the inventory. */
export function answerLayers(front: Front): Pick<Answers, keyof typeof layerRoutes> {
  const { inventory } = front;
  return {
    async listLayers({ c, caller, query }) {
      const { rows, ...rest } = await inventory.layers(caller.token.workspaceId, query);
      return c.json({ layers: rows, ...rest });
    },

    async importLayer({ c, caller, query: { name, digest, ...abi } }) {
      front.submissions(caller.token.workspaceId);
      refuseOtherType(c, "application/zstd");
      const layer = await inventory.importLayer(
        caller.token.workspaceId,
        {
          source: bodyChunks(c.req.raw, limits.layerArchiveBytes, front),
          name,
          ...(digest === undefined ? {} : { expected: digest }),
          // The query has none of it, or at least the two that every ABI has.
          ...(abi.arch === undefined ? {} : { abi: abi as Abi }),
        },
        leaving(front, c),
      );
      return c.json({ layer }, 201, { Location: `/api/layers/${layer.id}` });
    },

    async getLayer({ c, caller, params }) {
      return c.json({ layer: await inventory.layer(caller.token.workspaceId, params.id) });
    },

    async deleteLayer({ c, caller, params }) {
      await inventory.removeLayer(caller.token.workspaceId, params.id);
      return c.json({});
    },

    async getLayerSbom({ c, caller, params }) {
      front.exports(caller.token.workspaceId);
      const sbom = await inventory.sbom(caller.token.workspaceId, params.id, leaving(front, c));
      const headers = { "Content-Type": "application/vnd.cyclonedx+json; version=1.6" };
      return c.body(JSON.stringify(sbom), 200, headers);
    },

    async verifyLayer({ c, caller, params }) {
      const { workspaceId } = caller.token;
      front.exports(workspaceId);
      return c.json(await inventory.verifyLayer(workspaceId, params.id, leaving(front, c)));
    },

    async exportLayer({ c, caller, params }) {
      const { workspaceId } = caller.token;
      const { digest } = await inventory.layer(workspaceId, params.id);
      // Weak: another version of the compressor may pack the same tree into other bytes.
      const etag = `W/"${digest}"`;
      const current = notModified(c, etag);
      if (current !== undefined) return current;
      front.exports(workspaceId);
      const { filename, stream } = await inventory.exportLayer(workspaceId, digest);
      return download(
        front,
        c,
        { stream },
        {
          ...currentHeaders(etag),
          "Content-Type": "application/zstd",
          "Content-Disposition": attachment(filename),
        },
      );
    },
  };
}

/** Aborts when nobody waits for the answer any more. */
export function leaving(front: Front, c: Ctx): AbortSignal {
  return AbortSignal.any([front.closing, c.req.raw.signal]);
}

function refuseOtherType(c: Ctx, wanted: string): void {
  refuseEncoding(c.req.raw);
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === wanted) return;
  const found = type === undefined ? "(none)" : JSON.stringify(type.slice(0, 100));
  const message = `Cannot read a body of type ${found}: expected ${wanted}`;
  throw new Problem("unsupported_media_type", message);
}
