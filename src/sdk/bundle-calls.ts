import {
  type AgentsMdRecord,
  type BundleFile,
  BundleName,
  type FileRecord,
  type SkillRecord,
} from "../contract/bundle.ts";
import { type DownloadOptions, downloadBytes } from "./download.ts";
import { AirlockError, ApiError } from "./errors.ts";
import type { SavedFile } from "./files.ts";
import { checkRequest } from "./submit.ts";
import type { Signal, Transport } from "./transport.ts";

/** A bundle that is packed already, as a zip. */
export interface PackedBundle {
  name: string;
  bundle: Blob | Uint8Array;
  /** What the bundle must be; another one is refused with `hash_mismatch`. */
  contentHash?: string;
}

/** Bundles of one kind that the workspace keeps: uploaded once, given to any number of runs. */
export interface BundleCalls<Row> {
  /** All of them, newest first, without deleted ones. */
  list(options?: Signal): Promise<Row[]>;
  /** One by its id, with the list of its files. */
  get(id: string, options?: Signal): Promise<Row & { files: BundleFile[] }>;
  /** Deletes one for new runs; those that were given it keep it. Deleting it again changes nothing. */
  delete(id: string, options?: Signal): Promise<void>;
  /** Its files as one zip, as bytes or, with `to`, as a file. */
  download(id: string, options: DownloadOptions & { to: string }): Promise<SavedFile>;
  download(id: string, options?: DownloadOptions): Promise<Uint8Array>;
  download(id: string, options?: DownloadOptions): Promise<SavedFile | Uint8Array>;
  /** The newest one of a name with exactly this content, or null: one look into an index. */
  findByHash(wanted: { name: string; contentHash: string }, options?: Signal): Promise<Row | null>;
  /** The newest one of a name, or null. It lists them all and looks. */
  findByName(name: string, options?: Signal): Promise<Row | null>;
  /** Keeps a zip that is there already; `Skill`, `AgentsMd` and `File` pack their own. The same again is the same record. */
  upload(packed: PackedBundle, options?: Signal): Promise<Row>;
}

export type SkillCalls = BundleCalls<SkillRecord>;
export type AgentsMdCalls = BundleCalls<AgentsMdRecord>;
export type FileCalls = BundleCalls<FileRecord>;

/** Where a kind is, and what an answer calls one of it, and all of them. */
export interface BundlePlace {
  root: string;
  one: string;
  all: string;
}

export const bundlePlaces = {
  skills: { root: "/api/skills", one: "skill", all: "skills" },
  agentsMd: { root: "/api/agentsmd", one: "agentsMd", all: "agentsMd" },
  files: { root: "/api/files", one: "file", all: "files" },
} as const satisfies Record<string, BundlePlace>;

const deleted = ["skill_deleted", "agents_md_deleted", "file_deleted"];

export function openBundleCalls<Row extends { name: string }>(
  transport: Transport,
  { root, one, all }: BundlePlace,
): BundleCalls<Row> {
  const at = (id: string) => {
    if (typeof id === "string" && id !== "") return `${root}/${encodeURIComponent(id)}`;
    throw new AirlockError({ code: "invalid_request", message: `id: expected the id of a ${one}` });
  };
  const list = async ({ signal }: Signal = {}) => {
    const answer = await transport.json({ method: "GET", path: root, signal });
    return answer[all] as Row[];
  };
  return {
    list,
    async get(id, { signal } = {}) {
      const answer = await transport.json({ method: "GET", path: at(id), signal });
      return { ...(answer[one] as Row), files: answer.files as BundleFile[] };
    },
    async delete(id, { signal } = {}) {
      try {
        await transport.json({ method: "DELETE", path: at(id), signal });
      } catch (error) {
        if (!(error instanceof ApiError && deleted.includes(error.code))) throw error;
      }
    },
    download: (async (id: string, options: DownloadOptions = {}) =>
      downloadBytes(
        transport,
        { path: `${at(id)}/bundle` },
        options,
      )) as BundleCalls<Row>["download"],
    async findByHash({ name, contentHash }, { signal } = {}) {
      const query = { name, content_hash: contentHash };
      const path = `${root}/by-hash`;
      const answer = await transport.json({ method: "GET", path, query, signal });
      return (answer[one] ?? null) as Row | null;
    },
    async findByName(name, options) {
      return (await list(options)).find((row) => row.name === name) ?? null;
    },
    async upload({ name, bundle, contentHash }, { signal } = {}) {
      checkRequest(BundleName, name, "name");
      const form = new FormData();
      form.append("name", name);
      if (contentHash !== undefined) form.append("contentHash", contentHash);
      const zip = bundle instanceof Blob ? bundle : new Blob([new Uint8Array(bundle)]);
      form.append("bundle", zip, `${name}.zip`);
      // Sent twice, it is one record.
      const request = {
        method: "POST",
        path: root,
        form,
        patient: true,
        repeatable: true,
      } as const;
      return (await transport.json({ ...request, signal }))[one] as Row;
    },
  };
}
