import type { Bundles, BundleTrees, OpenedBundle } from "../bundles/bundles.ts";
import type { Blobs } from "../content/content.ts";
import { agentsFile } from "../contract/bundle.ts";
import type { PinnedBundle } from "../contract/bundle-ref.ts";
import { Problem } from "../contract/problem.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { type BundleMount, filesPath, skillsPath } from "../sandbox/sandbox.ts";
import type { GivenFile } from "../tools/tools.ts";

/** A skill that is mounted, in place of being the provider's. */
export type MountedSkill = PinnedBundle & { description: string | null };

/** A bundle and where it is in a sandbox. */
export interface PlacedBundle {
  path: string;
  contentHash: string;
}

/** An `AGENTS.md`, by the name that it was given under. */
export interface Instructions {
  name: string;
  text: string;
}

/** Files by their paths in a sandbox. */
export interface FilesInside {
  digestAt(path: string): string | undefined;
  paths(): Iterable<string>;
}

/** What a run was given beside its submission, for as long as it is driven. */
export interface RunBundles {
  /** Every bundle with its tree in place. Throws `BundleUnusable`. */
  mounts(): Promise<BundleMount[]>;
  /** Files of skills by the names that content_read has for them: `skills/<name>/<path>`. */
  skillFiles(): Promise<GivenFile[]>;
  /** What lies at which path of a sandbox, by digest; the alias counts as what it stands for. */
  filesInside(): Promise<FilesInside>;
  /** Throws `BundleUnusable`. */
  instructions(): Promise<Instructions[]>;
}

/** Bytes that a bundle is made of are not there as they were: the run has not what it was given, and cannot go on. */
export class BundleUnusable extends Error {
  override name = "BundleUnusable";
}

export function mountedSkills({ skills = [] }: RunSnapshot): MountedSkill[] {
  return skills.filter((skill): skill is MountedSkill => "contentHash" in skill);
}

/** Where a skill is inside. */
export function skillPath({ name, mountPath }: Pick<PinnedBundle, "name" | "mountPath">): string {
  return mountPath ?? `${skillsPath}/${name}`;
}

/** Where a bundle of files is inside. */
export function fileBundlePath(bundle: Pick<PinnedBundle, "name" | "mountPath">): string {
  return bundle.mountPath ?? `${filesPath}/${bundle.name}`;
}

/** What is mounted for a run, and where. It follows from its submission, so that it never changes. */
export function placedBundles(snapshot: RunSnapshot): PlacedBundle[] {
  return [
    ...mountedSkills(snapshot).map((skill) => ({ ...skill, path: skillPath(skill) })),
    ...(snapshot.fileBundles ?? []).map((files) => ({ ...files, path: fileBundlePath(files) })),
  ].map(({ path, contentHash }) => ({ path, contentHash }));
}

export interface RunBundlesOptions {
  bundles: Pick<Bundles, "entries">;
  bundleTrees: BundleTrees;
  blobs: Pick<Blobs, "get">;
}

/** Trees are held until `over`: what is mounted must stay. What failed is tried again when it is asked for again. */
export function openRunBundles(
  { bundles, bundleTrees, blobs }: RunBundlesOptions,
  snapshot: RunSnapshot,
  over: AbortSignal,
): RunBundles {
  const held = new Map<string, Promise<OpenedBundle>>();
  over.addEventListener("abort", () => {
    for (const opened of held.values()) {
      opened.then(({ release }) => release()).catch(() => undefined);
    }
  });
  const open = (contentHash: string) => {
    const known = held.get(contentHash);
    if (known !== undefined) return known;
    const opened = bundleTrees.open(contentHash);
    held.set(contentHash, opened);
    opened.catch(() => held.delete(contentHash));
    return opened;
  };
  const filesOf = openFilesOf(bundles);
  let told: Promise<Instructions[]> | undefined;
  let inside: Promise<FilesInside> | undefined;
  return {
    mounts: () =>
      Promise.all(
        placedBundles(snapshot).map(async ({ path, contentHash }) => {
          const { tree } = await open(contentHash).catch(unusable(path));
          return { source: tree, target: path };
        }),
      ),
    async skillFiles() {
      const skills = mountedSkills(snapshot).map(async (skill) =>
        (await filesOf(skill.contentHash)).map(({ path, sha256 }) => ({
          ...{ path: `skills/${skill.name}/${path}`, sha256 },
          place: `${skillPath(skill)}/${path}`,
        })),
      );
      return (await Promise.all(skills)).flat();
    },
    filesInside() {
      const asked = inside ?? readInside(filesOf, snapshot);
      inside = asked;
      asked.catch(() => {
        if (inside === asked) inside = undefined;
      });
      return asked;
    },
    instructions() {
      const asked = told ?? readInstructions({ bundles, blobs }, snapshot);
      told = asked;
      asked.catch(() => {
        if (told === asked) told = undefined;
      });
      return asked;
    },
  };
}

async function readInside(
  filesOf: Bundles["entries"],
  snapshot: RunSnapshot,
): Promise<FilesInside> {
  const placed = placedBundles(snapshot).map(async ({ path, contentHash }) =>
    (await filesOf(contentHash)).map((file): [string, string] => [
      `${path}/${file.path}`,
      file.sha256,
    ]),
  );
  const digests = new Map((await Promise.all(placed)).flat());
  return {
    digestAt: (path) => digests.get(path.replace(/^\/antpath\//, "/airlock/")),
    paths: () => digests.keys(),
  };
}

/** The files of bundles, each read once. */
function openFilesOf({ entries }: Pick<Bundles, "entries">): Bundles["entries"] {
  const known = new Map<string, ReturnType<Bundles["entries"]>>();
  return (contentHash) => {
    const asked = known.get(contentHash) ?? entries(contentHash);
    known.set(contentHash, asked);
    asked.catch(() => known.delete(contentHash));
    return asked;
  };
}

/** The texts that are said to the model before the prompt, in the order in which they were given. Throws `BundleUnusable`. */
export function readInstructions(
  { bundles, blobs }: Omit<RunBundlesOptions, "bundleTrees">,
  { agentsMd = [] }: RunSnapshot,
): Promise<Instructions[]> {
  return Promise.all(
    agentsMd.map(async ({ name, contentHash }) => {
      const read = async () => {
        const entries = await bundles.entries(contentHash);
        const file = entries.find(({ path }) => path === agentsFile);
        return file === undefined ? "" : (await blobs.get(file.sha256)).toString("utf8");
      };
      return { name, text: await read().catch(unusable(`${agentsFile} ${name}`)) };
    }),
  );
}

/** Only what the bytes are at fault for: a disk that is full, or fails, is somebody else's to judge. */
function unusable(what: string): (error: unknown) => never {
  return (error) => {
    const { code } = error instanceof Problem ? error : { code: undefined };
    if (code !== "digest_mismatch" && code !== "not_found") throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new BundleUnusable(
      `What the run was given for ${what} is damaged on the gateway's disk: ${why}`,
    );
  };
}
