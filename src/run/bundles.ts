import type { Bundles } from "../bundles/bundles.ts";
import type { Blobs } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import {
  type InputFile,
  noModel,
  type RunSecrets,
  type RunSnapshot,
} from "../contract/submission.ts";
import { containsSecret } from "../egress/egress.ts";
import type { Models } from "../model/model.ts";
import { packagesPath } from "./packages-recipes.ts";
import type { SubmitRequest } from "./run.ts";
import { fileBundlePath, placedBundles } from "./run-bundles.ts";
import { providersOf, spentValues } from "./run-secrets.ts";

type Submission = SubmitRequest["submission"];

/** The bundles of a submission as they were asked for: a repeated submission is told by these. */
export interface AskedBundles {
  skills?: readonly object[];
  agentsMd?: readonly object[];
  files?: readonly object[];
}

/** The inputs that are placed, without the bundles that are mounted. */
export function inputFiles({ files = [] }: Submission): InputFile[] {
  return files.filter((file): file is InputFile => !("kind" in file));
}

/** Without the slots in which they came: where a bundle travelled is not what it is. */
export function askedBundles({ skills = [], agentsMd = [], files = [] }: Submission): AskedBundles {
  const lists = { skills, agentsMd, files: files.filter((file) => "kind" in file) };
  return Object.fromEntries(
    Object.entries(lists).flatMap(([name, list]) => {
      const refs = list.map((ref) => {
        const { slot: _, ...rest } = ref as { slot?: string };
        return rest;
      });
      return refs.length === 0 ? [] : [[name, refs]];
    }),
  );
}

type Pins = Pick<RunSnapshot, "skills" | "agentsMd" | "fileBundles">;

/**
 * What the bundles of a submission are, by content: kept by the run, whatever becomes of the workspace's. Errors name the
 * field, and nothing of a submission is kept that a model could not have.
 */
export async function pinBundles(
  deps: { bundles: Pick<Bundles, "pin" | "entries">; blobs: Pick<Blobs, "read"> },
  { submission, workspaceId, uploads }: SubmitRequest,
): Promise<Pins> {
  const { skills = [], agentsMd = [], files = [] } = submission;
  const bundles = files.flatMap((file, at) => ("kind" in file ? [{ file, at }] : []));
  if (skills.length + agentsMd.length + bundles.length === 0) return {};
  const refs = {
    ...{ skills, agentsMd, files: bundles.map(({ file }) => file) },
    filesAt: bundles.map(({ at }) => at),
  };
  const pinned = await deps.bundles.pin(workspaceId, refs, uploads);
  await refuseSecretsInBundles(deps, pinned, submission.secrets);
  return pinned;
}

/**
 * What came with a submission is written down as the submission is, so no file of it may hold the value of one of the run's
 * secrets. A record of the workspace was written down before, and is not the run's.
 */
export async function refuseSecretsInBundles(
  { bundles, blobs }: { bundles: Pick<Bundles, "entries">; blobs: Pick<Blobs, "read"> },
  { skills = [], agentsMd = [], fileBundles = [] }: Pins,
  secrets: RunSecrets | undefined,
): Promise<void> {
  const values = spentValues(secrets);
  if (values.length === 0) return;
  // Made once: with many secrets that takes longer than most files do.
  const search = containsSecret(values);
  for (const [list, pins] of Object.entries({ skills, agentsMd, files: fileBundles })) {
    for (const pin of pins) {
      if (!("contentHash" in pin) || pin.id !== undefined) continue;
      for (const { path, sha256 } of await bundles.entries(pin.contentHash)) {
        const looking = search.start();
        const inName = looking.push(Buffer.from(`${path}\n`));
        if (!inName && !(await holds(blobs, sha256, looking))) continue;
        const where = `${list}: ${JSON.stringify(path.slice(0, 200))} of ${JSON.stringify(pin.name)}`;
        const message = "must not hold the value of a secret";
        throw new Problem(
          "invalid_request",
          `${where} holds the value of one of secrets; a submission is written down, its secrets are not`,
          { fields: [{ path: list, message }] },
        );
      }
    }
  }
}

async function holds(
  blobs: Pick<Blobs, "read">,
  sha256: string,
  search: ReturnType<ReturnType<typeof containsSecret>["start"]>,
): Promise<boolean> {
  const { stream } = await blobs.read(sha256);
  for await (const chunk of stream as AsyncIterable<Buffer>) if (search.push(chunk)) return true;
  return false;
}

/**
 * Skills of a provider are used by that provider, beside its model. Throws `invalid_request` that names the skill when the
 * model is another's, or the one that is asked in its place.
 */
export function checkProviderSkills(
  models: Models,
  { skills = [], secrets }: Pick<Submission, "skills" | "secrets">,
  { model, fallbackModel }: Pick<RunSnapshot, "model"> & { fallbackModel?: string | undefined },
): void {
  const at = skills.findIndex(({ kind }) => kind === "provider");
  if (at === -1) return;
  for (const id of fallbackModel === undefined ? [model] : [model, fallbackModel]) {
    const resolved = id === noModel ? undefined : models.resolve(id, providersOf(secrets));
    if (resolved?.type === "ready" && resolved.provider === "anthropic") continue;
    const of = resolved?.type === "ready" ? `is of ${resolved.provider}` : "is none of anthropic";
    throw wrongField(`skills[${at}]`, `is a skill of anthropic, but the model ${id} ${of}`);
  }
}

/** Throws `invalid_request` when something else of the run is where a bundle would be mounted. */
export function checkBundlePlaces(snapshot: RunSnapshot): void {
  const { agent, agentsMd = [], files = [], outputDirs = [] } = snapshot;
  const isScript = agent?.execution_mode === "script";
  if (isScript && agentsMd.length > 0) {
    throw wrongField("agentsMd", `the agent ${agent.id} is a script, to which nothing is said`);
  }
  const taken = [
    ...files.map(({ path }) => ({ path: `/workspace/${path}`, what: "an input file is placed" })),
    ...outputDirs.map((path) => ({ path, what: "outputs are captured" })),
    ...(snapshot.environment?.packages?.length
      ? [{ path: packagesPath, what: "packages are installed" }]
      : []),
    ...(isScript ? topsOf(agent) : []),
  ];
  for (const { path } of placedBundles(snapshot)) {
    const other = taken.find((one) => isNested(one.path, path));
    if (other === undefined) continue;
    throw wrongField(
      fieldOf(snapshot, path),
      `${path} is at, above or below ${other.path}, where ${other.what}`,
    );
  }
}

/** Links to the top of the agent's folder, in the directory in which its script is started. */
function topsOf(agent: NonNullable<RunSnapshot["agent"]>): { path: string; what: string }[] {
  const tops = new Set((agent.files ?? []).map(({ path }) => path.split("/")[0] ?? path));
  return [...tops].map((top) => ({ path: `/tmp/${top}`, what: "a file of the agent is" }));
}

function isNested(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

function fieldOf({ skills = [], fileBundles = [] }: RunSnapshot, path: string): string {
  const skill = skills.findIndex((one) => "mountPath" in one && one.mountPath === path);
  if (skill !== -1) return `skills[${skill}].mountPath`;
  const name = fileBundles.find((one) => fileBundlePath(one) === path)?.name;
  return name === undefined ? "files" : `files: the mountPath of ${name}`;
}

function wrongField(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
