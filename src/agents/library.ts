import { createHash } from "node:crypto";
import { type Blobs, placeFiles, type Uploads } from "../content/content.ts";
import type { Agent, AgentDetail } from "../contract/installed-agent.ts";
import { Problem } from "../contract/problem.ts";
import type { InputFile } from "../contract/submission.ts";
import type { AgentRevisionRow, AgentRows } from "../store/store.ts";
import { agentOf } from "./agent-view.ts";
import type { AgentLibrary, AgentRevision } from "./agents.ts";
import { type FolderOptions, readFolder, skillName } from "./folder.ts";
import type { LoadedAgent } from "./reference-agents.ts";
import { runtimeLock } from "./revision.ts";

export interface LibraryOptions extends FolderOptions {
  rows: AgentRows;
  blobs: Blobs;
  /** Those that come with the gateway. */
  reference: readonly LoadedAgent[];
}

type Wanted = string | number | undefined;

/** What the front door may do with agents, beside what runs need of them. Scoped by workspace (I14). */
export interface OpenAgentLibrary extends AgentLibrary {
  /** Every agent by id, as the API shows it. */
  all(workspaceId: string): Promise<Agent[]>;
  /**
   * Installs an agent from its folder and makes it the active revision. The same bytes are
   * the same revision: `created: false`. Throws `agent_invalid` with every problem, by line.
   */
  install(
    workspaceId: string,
    folder: { files: readonly InputFile[]; uploads: Uploads; installedBy: string },
  ): Promise<{ created: boolean; agent: AgentDetail }>;
  /** With its text and files: the active revision, or the one with this digest or number. Throws `not_found`. */
  get(workspaceId: string, id: string, revision?: Wanted): Promise<AgentDetail>;
  /** The folder of an agent with its bytes, as `install` takes it; SKILL.md first. Throws `not_found`. */
  export(workspaceId: string, id: string, revision?: Wanted): Promise<AgentFolder>;
  /** Takes an installed agent away, with all revisions; runs keep their own. Throws `not_found`. */
  delete(workspaceId: string, id: string): Promise<void>;
}

export interface AgentFolder {
  id: string;
  revision: string;
  files: { path: string; bytes: Buffer; executable: boolean; sha256: string }[];
}

interface Found {
  revision: AgentRevision;
  skill: () => Promise<Buffer>;
}

/**
 * Opens the agents of all workspaces: those that they installed, and those that come with the gateway, of which an installed
 * one hides the one with its id.
 */
export function openAgentLibrary(options: LibraryOptions): OpenAgentLibrary {
  const { rows, blobs } = options;
  const reference = new Map(
    options.reference.map((agent) => [agent.manifest.agent.id, openReference(agent, blobs)]),
  );

  async function find(
    workspaceId: string,
    id: string,
    wanted?: Wanted,
  ): Promise<Found | undefined> {
    const row = await rows.find(workspaceId, id, wanted);
    if (row !== undefined) return foundRow(row);
    const own = reference.get(id);
    const isMeant = [undefined, 1, own?.revision.revision].includes(wanted);
    if (own === undefined || !isMeant) return undefined;
    if (wanted !== undefined && (await rows.find(workspaceId, id)) !== undefined) return undefined;
    // Each time: what no row refers to is swept, unless somebody has just put it there.
    await own.keep();
    return { revision: own.revision, skill: async () => own.skill };
  }

  const foundRow = (row: AgentRevisionRow): Found => ({
    revision: installed(row),
    skill: () => blobs.get(row.skill.sha256),
  });

  async function existing(workspaceId: string, id: string, wanted: Wanted): Promise<Found> {
    const found = await find(workspaceId, id, wanted);
    if (found !== undefined) return found;
    const which = wanted === undefined ? "" : ` with the revision ${JSON.stringify(wanted)}`;
    throw new Problem("not_found", `There is no agent ${JSON.stringify(id)}${which}`);
  }

  async function detail(workspaceId: string, { revision }: Found): Promise<AgentDetail> {
    const { instructions, files, notes } = revision;
    const runtime_lock = runtimeLock(revision);
    const revisions = await rows.revisions(workspaceId, revision.manifest.agent.id);
    return { ...agentOf(revision), instructions, files, runtime_lock, notes, revisions };
  }

  async function list(workspaceId: string): Promise<AgentRevision[]> {
    const own = (await rows.list(workspaceId)).map(installed);
    const hidden = new Set(own.map(({ manifest }) => manifest.agent.id));
    const others = [...reference.values()].map(({ revision }) => revision);
    return [...own, ...others.filter(({ manifest }) => !hidden.has(manifest.agent.id))].sort(
      (a, b) => (a.manifest.agent.id < b.manifest.agent.id ? -1 : 1),
    );
  }

  return {
    find: async (workspaceId, id) => (await find(workspaceId, id))?.revision,
    list,
    all: async (workspaceId) => (await list(workspaceId)).map(agentOf),
    async install(workspaceId, { files, uploads, installedBy }) {
      const folder = await readFolder(blobs, await placeFiles(blobs, files, uploads), options);
      const made = await rows.install(workspaceId, { ...folder, createdBy: installedBy });
      const agent = await detail(workspaceId, foundRow(made.revision));
      return { created: made.created, agent };
    },
    get: async (workspaceId, id, wanted) =>
      detail(workspaceId, await existing(workspaceId, id, wanted)),
    async export(workspaceId, id, wanted) {
      const { revision, skill } = await existing(workspaceId, id, wanted);
      const text = await skill();
      const files = [{ path: skillName, sha256: digestOf(text), executable: false, bytes: text }];
      for (const { path, sha256, executable } of revision.files) {
        files.push({ path, sha256, executable, bytes: await blobs.get(sha256) });
      }
      return { id, revision: revision.revision, files };
    },
    async delete(workspaceId, id) {
      if (await rows.delete(workspaceId, id)) return;
      const why = reference.has(id)
        ? ": it comes with the gateway, and an installed one hides it"
        : "";
      throw new Problem("not_found", `No agent ${JSON.stringify(id)} is installed${why}`);
    },
  };
}

function installed({ agentId: _, skill: __, ...row }: AgentRevisionRow): AgentRevision {
  return { ...row, origin: "installed" };
}

/** A reference agent with its name, and how its bytes are made blobs. */
function openReference(agent: LoadedAgent, blobs: Blobs) {
  const { manifest, instructions, notes, skill } = agent;
  const files = agent.files
    .map(({ path, bytes, executable }) => ({
      ...{ path, executable, sha256: digestOf(bytes), bytes: bytes.length },
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const revision: AgentRevision = {
    ...{ manifest, instructions, notes, files, revision: agent.revision },
    ...{ number: 1, origin: "reference", createdAt: null, createdBy: null },
  };
  const keep = async () => {
    for (const { bytes } of agent.files) await blobs.put(bytes);
  };
  return { revision, skill: Buffer.from(skill), keep };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
