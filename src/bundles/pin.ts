import { limits } from "../base/limits.ts";
import { nestedMounts } from "../base/mount-path.ts";
import { agentsFile, type BundleKind } from "../contract/bundle.ts";
import type {
  AgentsMdRef,
  FileRef,
  PinnedBundle,
  PinnedSkill,
  SkillRef,
} from "../contract/bundle-ref.ts";
import { Problem } from "../contract/problem.ts";
import type { BundleRow } from "../store/store.ts";
import type { BundleRefs, Pinned, Upload } from "./bundles.ts";
import type { Unpacked, Unpacking } from "./unpack.ts";

export interface PinDeps {
  unpacking: Unpacking;
  /** One that is there and was not deleted; `not_found`, `skill_deleted` and its like. */
  find(workspaceId: string, kind: BundleKind, id: string): Promise<BundleRow>;
}

/** What came with a request, by the names of its parts. */
type Uploads = ReadonlyMap<string, Upload>;

interface Pinning extends PinDeps {
  workspaceId: string;
  uploads: Uploads;
}

type MountedSkill = Extract<PinnedSkill, PinnedBundle>;

/** What a submission names, by content. See `Bundles.pin`. */
export async function pin(
  deps: PinDeps,
  workspaceId: string,
  { skills, agentsMd, files, filesAt = [...files.keys()] }: BundleRefs,
  uploads: Uploads,
): Promise<Pinned> {
  // Before anything is unpacked: what is said twice needs no look at what it is.
  refuseTwice("skills", skills.map(skillKey));
  refuseTwice("agentsMd", agentsMd.map(idOf));
  refuseMany(skills.filter(({ kind }) => kind !== "provider").length + files.length);
  const pinning = { ...deps, workspaceId, uploads };
  const fileField = (at: number) => `files[${filesAt[at]}]`;
  const pinned = {
    skills: await inOrder(skills, (ref, at) => pinSkill(pinning, ref, `skills[${at}]`)),
    agentsMd: await inOrder(agentsMd, (ref, at) => pinAgentsMd(pinning, ref, `agentsMd[${at}]`)),
    fileBundles: await inOrder(files, (ref, at) => pinFiles(pinning, ref, fileField(at))),
  };
  refuseNames(
    "skills",
    pinned.skills.map((skill) => ("name" in skill ? skill.name : undefined)),
  );
  refuseNames(
    "agentsMd",
    pinned.agentsMd.map(({ name }) => name),
  );
  refuseInstructions(pinned.agentsMd);
  refusePlaces(pinned, fileField);
  refuseBytes(pinned);
  return Object.fromEntries(Object.entries(pinned).filter(([, list]) => list.length > 0));
}

/** One after the other: each holds its zip in memory while it is unpacked. */
async function inOrder<Ref, Result>(
  refs: readonly Ref[],
  one: (ref: Ref, at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const [at, ref] of refs.entries()) results.push(await one(ref, at));
  return results;
}

async function pinSkill(pinning: Pinning, ref: SkillRef, field: string): Promise<PinnedSkill> {
  switch (ref.kind) {
    case "provider": {
      const { vendor, skillId, version } = ref;
      return { vendor, skillId, ...(version === undefined ? {} : { version }) };
    }
    case "workspace":
      return skillOf(await found(pinning, "skill", ref, field));
    case "transient":
      return skillOf({ ...(await unpacked(pinning, "skill", ref, field)), name: ref.name });
    case "inline": {
      const { name, markdown, mountPath } = ref;
      const text = await within(field, () => kept(pinning, "skill", markdown));
      return { ...skillOf({ ...text, name }), ...(mountPath === undefined ? {} : { mountPath }) };
    }
  }
}

async function pinAgentsMd(
  pinning: Pinning,
  ref: AgentsMdRef,
  field: string,
): Promise<PinnedBundle> {
  switch (ref.kind) {
    case "workspace":
      return bundleOf(await found(pinning, "agents_md", ref, field));
    case "transient":
      return bundleOf({ ...(await unpacked(pinning, "agents_md", ref, field)), name: ref.name });
    case "inline": {
      const { name, content } = ref;
      return bundleOf({
        ...(await within(field, () => kept(pinning, "agents_md", content))),
        name,
      });
    }
  }
}

async function pinFiles(pinning: Pinning, ref: FileRef, field: string): Promise<PinnedBundle> {
  const bundle =
    ref.kind === "workspace"
      ? bundleOf(await found(pinning, "file", ref, field))
      : bundleOf({ ...(await unpacked(pinning, "file", ref, field)), name: ref.name });
  return ref.mountPath === undefined ? bundle : { ...bundle, mountPath: ref.mountPath };
}

type Content = Pick<BundleRow, "name" | "contentHash" | "sizeBytes" | "fileCount"> & {
  id?: string;
};

function bundleOf({ id, name, contentHash, sizeBytes, fileCount }: Content): PinnedBundle {
  return { name, contentHash, sizeBytes, fileCount, ...(id === undefined ? {} : { id }) };
}

function skillOf(content: Content & { description: string | null }): MountedSkill {
  return { ...bundleOf(content), description: content.description };
}

function found(
  { find, workspaceId }: Pinning,
  kind: BundleKind,
  { id }: { id: string },
  field: string,
): Promise<BundleRow> {
  return within(`${field}.id`, () => find(workspaceId, kind, id));
}

function kept(
  { unpacking, workspaceId }: Pinning,
  kind: "skill" | "agents_md",
  text: string,
): Promise<Unpacked> {
  return unpacking.unpack(workspaceId, { kind, text });
}

const partOf = { skill: "skill", agents_md: "agentsmd", file: "file" } as const;

/** A part of the request, held against what the submission says that it is. */
async function unpacked(
  { unpacking, workspaceId, uploads }: Pinning,
  kind: BundleKind,
  { slot, contentHash }: { slot: string; contentHash: string },
  field: string,
): Promise<Unpacked> {
  const part = `${partOf[kind]}:${slot}`;
  const zip = uploads.get(part);
  if (zip === undefined) throw wrong(`${field}.slot`, `there is no part "${part}" in this request`);
  return within(field, () => unpacking.unpack(workspaceId, { kind, zip, contentHash }));
}

/** What goes wrong with one of them is told with where it is. */
async function within<T>(field: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const path = error.code === "hash_mismatch" ? `${field}.contentHash` : field;
    const fields = [{ path, message: error.message }];
    const details = { ...error.details, fields };
    throw new Problem(error.code, `${path}: ${error.message}`, details, { cause: error });
  }
}

/** What one of the workspace, or of a provider, is named by. */
function skillKey(ref: SkillRef): string | undefined {
  if (ref.kind !== "provider") return idOf(ref);
  return [ref.vendor, ref.skillId, ...(ref.version === undefined ? [] : [ref.version])].join(":");
}

function idOf(ref: SkillRef | AgentsMdRef): string | undefined {
  return ref.kind === "workspace" ? ref.id : undefined;
}

function refuseTwice(list: string, keys: readonly (string | undefined)[]): void {
  for (const [at, key] of keys.entries()) {
    const before = keys.indexOf(key);
    if (key === undefined || before === at) continue;
    throw wrong(`${list}[${at}]`, `${key} is there twice: it is ${list}[${before}] already`);
  }
}

function refuseNames(list: string, names: readonly (string | undefined)[]): void {
  for (const [at, name] of names.entries()) {
    const before = names.indexOf(name);
    if (name === undefined || before === at) continue;
    const shown = JSON.stringify(name);
    throw wrong(`${list}[${at}]`, `has the name ${shown}, which ${list}[${before}] has already`);
  }
}

function refuseMany(mounted: number): void {
  const most = limits.runBundles;
  if (mounted <= most) return;
  throw wrong(
    "skills",
    `${mounted} skills and bundles of files; expected at most ${most} together`,
  );
}

/** All of them are said to the model, with every turn. */
function refuseInstructions(agentsMd: readonly PinnedBundle[]): void {
  const bytes = agentsMd.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (bytes <= limits.instructionBytes) return;
  const most = limits.instructionBytes;
  const message = `agentsMd: the ${agentsFile} files have ${bytes} bytes together; expected at most ${most}`;
  throw new Problem("payload_too_large", message, { maxBytes: most });
}

/** Two cannot be in one place, nor one inside another. */
function refusePlaces(
  { skills, fileBundles }: Required<Pinned>,
  fileField: (at: number) => string,
): void {
  const places = [
    ...skills.flatMap((skill, at) =>
      "name" in skill && skill.mountPath !== undefined
        ? [{ field: `skills[${at}].mountPath`, path: skill.mountPath }]
        : [],
    ),
    ...fileBundles.map(({ name, mountPath }, at) => ({
      field: `${fileField(at)}${mountPath === undefined ? "" : ".mountPath"}`,
      path: mountPath ?? `/airlock/files/${name}`,
    })),
  ];
  const nested = nestedMounts(places.map(({ path }) => path));
  if (nested === undefined) return;
  const [outer, inner] = nested;
  const field = places.findLast(({ path }) => path === inner)?.field ?? "files";
  throw wrong(field, `${inner} is at or below ${outer}, where another bundle is mounted`);
}

function refuseBytes({ skills, agentsMd, fileBundles }: Required<Pinned>): void {
  const bytes = [...skills, ...agentsMd, ...fileBundles].reduce(
    (sum, one) => sum + ("sizeBytes" in one ? one.sizeBytes : 0),
    0,
  );
  const maxBytes = limits.runBundleBytes;
  if (bytes <= maxBytes) return;
  const message = `skills, agentsMd and files have ${bytes} bytes together; expected at most ${maxBytes}`;
  throw new Problem("payload_too_large", message, { maxBytes });
}

function wrong(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
