import type { BundleKind } from "../contract/bundle.ts";
import { readBundleForm } from "./bundle-form.ts";
import type { bundleRoutes } from "./bundle-routes.ts";
import { attachment, currentHeaders, download, notModified } from "./download.ts";
import type { Answers, Caller, Ctx, Front } from "./front.ts";

interface OfKind {
  kind: BundleKind;
  path: string;
  /** What a record is called in an answer, and a list of them. */
  one: string;
  many: string;
}

interface Asked {
  c: Ctx;
  caller: Caller;
}

type AskedFor = Asked & { params: { id: string } };

/** What can be asked of one kind of bundle. */
function answersOf(front: Front, { kind, path, one, many }: OfKind) {
  const { bundles } = front;
  return {
    async list({ c, caller }: Asked) {
      return c.json({ [many]: await bundles.list(caller.token.workspaceId, kind) });
    },

    async create({ c, caller }: Asked) {
      const { workspaceId, id: createdBy } = caller.token;
      // Before the body, which is what costs.
      front.submissions(workspaceId);
      const form = await readBundleForm(c, front, { takesText: kind === "agents_md" });
      const { created, record } = await bundles.add(workspaceId, kind, { ...form, createdBy });
      if (!created) return c.json({ [one]: record }, 200);
      return c.json({ [one]: record }, 201, { Location: `${path}/${record.id}` });
    },

    async find({ c, caller, query }: Asked & { query: { name: string; content_hash: string } }) {
      const { name, content_hash: contentHash } = query;
      const wanted = { name, contentHash };
      return c.json({ [one]: await bundles.find(caller.token.workspaceId, kind, wanted) });
    },

    async get({ c, caller, params: { id } }: AskedFor) {
      const { record, files } = await bundles.get(caller.token.workspaceId, kind, id);
      return c.json({ [one]: record, files });
    },

    async download({ c, caller, params: { id } }: AskedFor) {
      const { workspaceId } = caller.token;
      const { record } = await bundles.get(workspaceId, kind, id);
      // Weak: another version of the compressor may pack the same files into other bytes.
      const etag = `W/"${record.contentHash}"`;
      const current = notModified(c, etag);
      if (current !== undefined) return current;
      front.exports(workspaceId);
      const { filename, stream } = await bundles.open(workspaceId, kind, id);
      return download(
        front,
        c,
        { stream },
        {
          ...currentHeaders(etag),
          "Content-Type": "application/zip",
          "Content-Disposition": attachment(filename),
        },
      );
    },

    async remove({ c, caller, params: { id } }: AskedFor) {
      await bundles.delete(caller.token.workspaceId, kind, id);
      return c.json({});
    },
  };
}

/** Skills, instructions and files of a workspace: uploaded, listed, shown, handed back and taken away. */
export function answerBundles(front: Front): Pick<Answers, keyof typeof bundleRoutes> {
  const skills = answersOf(front, {
    ...{ kind: "skill", path: "/api/skills", one: "skill", many: "skills" },
  });
  const agentsMd = answersOf(front, {
    ...{ kind: "agents_md", path: "/api/agentsmd", one: "agentsMd", many: "agentsMd" },
  });
  const files = answersOf(front, {
    ...{ kind: "file", path: "/api/files", one: "file", many: "files" },
  });
  return {
    listSkills: skills.list,
    createSkill: skills.create,
    findSkill: skills.find,
    getSkill: skills.get,
    downloadSkill: skills.download,
    deleteSkill: skills.remove,
    listAgentsMd: agentsMd.list,
    createAgentsMd: agentsMd.create,
    findAgentsMd: agentsMd.find,
    getAgentsMd: agentsMd.get,
    downloadAgentsMd: agentsMd.download,
    deleteAgentsMd: agentsMd.remove,
    listFiles: files.list,
    createFile: files.create,
    findFile: files.find,
    getFile: files.get,
    downloadFile: files.download,
    deleteFile: files.remove,
  };
}
