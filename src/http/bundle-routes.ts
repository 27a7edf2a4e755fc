import { z } from "zod";
import {
  AgentsMdId,
  AgentsMdRecord,
  BundleFile,
  FileId,
  FileRecord,
  SkillId,
  SkillRecord,
} from "../contract/bundle.ts";
import type { ProblemCode } from "../contract/problem.ts";
import { BundleQuery } from "./query.ts";
import { attachmentHeader, type Route } from "./route.ts";

interface Kind<Path extends string, Name extends string, Id, Record> {
  path: Path;
  /** Of the record in an answer, and of many. */
  one: Name;
  many: string;
  id: Id;
  record: Record;
  deleted: ProblemCode;
  /** What it is called in a sentence. */
  called: string;
  calledMany: string;
  form: NonNullable<Route["form"]>;
}

const form = {
  name: { description: "Lower-case letters, digits, - and _, at most 128", required: true },
  contentHash: {
    description: "What the client says that it is; another one is refused with `hash_mismatch`",
  },
} as const;
const zipped = "A zip of the files";

const ifNoneMatch = {
  "If-None-Match": "An ETag that the client has: answers 304 when it is current",
};

/** The six routes of one kind of bundle. */
function routesOf<
  Path extends string,
  Name extends string,
  Id extends z.ZodType<string>,
  Record extends z.ZodType,
>(kind: Kind<Path, Name, Id, Record>) {
  const { path, one, many, id, record, deleted, called, calledMany } = kind;
  const shared = { scope: "runs", tag: "Bundles" } as const;
  const params = z.object({ id });
  const answer = z.object({ [one]: record });
  return {
    list: {
      ...shared,
      method: "get",
      path,
      summary: `List ${calledMany}, newest first`,
      description: "Those that were not deleted.",
      replies: {
        200: { description: "All of them", schema: z.object({ [many]: z.array(record) }) },
      },
    },
    create: {
      ...shared,
      method: "post",
      path,
      summary: `Upload ${called}`,
      description:
        "It is unpacked and its `contentHash` computed anew. Names repeat: the newest that is not deleted counts. " +
        "`bundle_invalid` names the file and the rule.",
      form: kind.form,
      replies: {
        201: { description: "A new record", schema: answer, headers: { Location: "The record" } },
        200: { description: "The record of the same name and content", schema: answer },
      },
      problems: ["bundle_invalid", "hash_mismatch", "too_many_requests", "storage_full"],
    },
    // Before `get`: by-hash would be an id.
    find: {
      ...shared,
      method: "get",
      path: `${path}/by-hash`,
      summary: `Find ${called} by name and content`,
      query: BundleQuery,
      replies: {
        200: {
          description: "The newest that was not deleted, or null",
          schema: z.object({ [one]: record.nullable() }),
        },
      },
    },
    get: {
      ...shared,
      method: "get",
      path: `${path}/{id}`,
      params,
      summary: `Get ${called} with the list of its files`,
      replies: {
        200: {
          description: "The record, and its files sorted by path",
          schema: z.object({ [one]: record, files: z.array(BundleFile) }),
        },
      },
      problems: [deleted, "digest_mismatch"],
    },
    download: {
      ...shared,
      method: "get",
      path: `${path}/{id}/bundle`,
      params,
      summary: `Download ${called}`,
      headers: ifNoneMatch,
      replies: {
        200: {
          description: "Its files as one zip",
          content: { "application/zip": "The files" },
          headers: { ETag: "Names what is inside, in a weak tag", ...attachmentHeader },
        },
        304: { description: "The client has it already" },
      },
      problems: [deleted, "digest_mismatch", "too_many_requests"],
    },
    remove: {
      ...shared,
      method: "delete",
      path: `${path}/{id}`,
      params,
      summary: `Delete ${called}`,
      description: "Runs that were given it keep it. Its id answers that it was deleted.",
      replies: { 200: { description: "It is deleted", schema: z.object({}) } },
    },
  } as const;
}

const skills = routesOf({
  ...({ path: "/api/skills", one: "skill", many: "skills" } as const),
  ...({ id: SkillId, record: SkillRecord, deleted: "skill_deleted" } as const),
  ...{ called: "a skill", calledMany: "skills" },
  form: {
    ...form,
    bundle: { description: `${zipped}, with SKILL.md at its root`, required: true },
  },
});

const agentsMd = routesOf({
  ...({ path: "/api/agentsmd", one: "agentsMd", many: "agentsMd" } as const),
  ...({ id: AgentsMdId, record: AgentsMdRecord, deleted: "agents_md_deleted" } as const),
  ...{ called: "instructions", calledMany: "instructions" },
  form: {
    ...form,
    bundle: { description: "A zip of one AGENTS.md; this or `content`" },
    content: { description: "The text of AGENTS.md; this or `bundle`" },
  },
});

const files = routesOf({
  ...({ path: "/api/files", one: "file", many: "files" } as const),
  ...({ id: FileId, record: FileRecord, deleted: "file_deleted" } as const),
  ...{ called: "files", calledMany: "files" },
  form: { ...form, bundle: { description: zipped, required: true } },
});

/** Skills, instructions and files of a workspace. Runs name them, so the same scope uploads them. */
export const bundleRoutes = {
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
} as const satisfies Record<string, Route>;
