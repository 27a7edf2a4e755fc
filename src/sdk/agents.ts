import { type AgentExport, AgentInstall } from "../contract/agent-install.ts";
import type { Agent, AgentDetail } from "../contract/installed-agent.ts";
import { listFolder } from "./files.ts";
import type { InputSource } from "./input-files.ts";
import { requestWithFiles } from "./submit.ts";
import type { Signal, Transport } from "./transport.ts";

/**
 * Where an agent comes from: a directory on this machine (Node only), which is read without hidden files and
 * what tools leave behind; or its files, with paths within the folder.
 */
export type AgentSource = { from: string } | { files: InputSource[] };

/** One file of an exported agent. */
export interface AgentFolderFile {
  path: string;
  bytes: Uint8Array;
  sha256: string;
  executable: boolean;
}

/** The folder of one revision of an agent; `SKILL.md` is first. */
export interface AgentFolder {
  id: string;
  revision: string;
  files: AgentFolderFile[];
}

/** `revision`: a digest, or a number. Default: the active one. */
type OfRevision = { revision?: string | number } & Signal;

/** Agents of the workspace. To install and to delete needs a token with the scope `admin`. */
export interface AgentCalls {
  /** Every agent by id: installed ones, and those that come with the gateway. */
  list(options?: Signal): Promise<Agent[]>;
  get(id: string, options?: OfRevision): Promise<AgentDetail>;
  /** Installs an agent and makes it the active revision; `created: false` when the workspace had these bytes already. */
  install(source: AgentSource, options?: Signal): Promise<{ created: boolean; agent: AgentDetail }>;
  /** The folder of an agent with its bytes. */
  export(id: string, options?: OfRevision): Promise<AgentFolder>;
  /** Deletes an installed agent with all revisions. Runs keep what they began with. */
  delete(id: string, options?: Signal): Promise<void>;
}

const root = "/api/agents";

export function openAgentCalls(transport: Transport): AgentCalls {
  return {
    async list({ signal } = {}) {
      const answer = await transport.json({ method: "GET", path: root, signal });
      return (answer as { agents: Agent[] }).agents;
    },
    async get(id, { revision, signal } = {}) {
      const answer = await transport.json({
        ...{ method: "GET", path: at(id), query: { revision }, signal },
      });
      return (answer as { agent: AgentDetail }).agent;
    },
    async install(source, { signal } = {}) {
      const files = "from" in source ? await folderFiles(source.from) : source.files;
      const request = await requestWithFiles(root, { files }, AgentInstall);
      // Sent twice, it is one revision.
      const made = await transport.json({ ...request, repeatable: true, signal });
      return made as { created: boolean; agent: AgentDetail };
    },
    async export(id, { revision, signal } = {}) {
      const path = `${at(id)}/export`;
      const request = { method: "GET", path, query: { revision }, patient: true, signal } as const;
      const { files, ...named } = (await transport.json(request)) as AgentExport;
      const folder = files.map(({ contentBase64, ...file }) => ({
        ...file,
        bytes: bytesOf(contentBase64),
      }));
      return { ...named, files: folder };
    },
    async delete(id, { signal } = {}) {
      await transport.json({ method: "DELETE", path: at(id), signal });
    },
  };
}

/** The files of a folder, where they are: each is opened when it is sent. */
async function folderFiles(dir: string): Promise<InputSource[]> {
  const listed = await listFolder(dir, "from");
  return listed.map(({ path, at: from }) => ({ path, from }));
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function at(id: string): string {
  return `${root}/${encodeURIComponent(id)}`;
}
