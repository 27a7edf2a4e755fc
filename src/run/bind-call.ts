import { createHash } from "node:crypto";
import { bindCall, nonePart as none, secretsPart } from "../approvals/approvals.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { digestTree, treeDigestThread } from "../base/tree-digest.ts";
import { contentView } from "../content/content.ts";
import type { Binding } from "../contract/approval.ts";
import { stageContent, type Tool, type WantedCode } from "../tools/tools.ts";
import { agentRevision } from "./agent-revision.ts";
import type { Drive } from "./drive.ts";
import { envVarsOf } from "./environment.ts";
import { bindRemote } from "./mcp-binding.ts";
import { openPlace } from "./provision.ts";
import { placedBundles } from "./run-bundles.ts";
import { agentFilesOf } from "./script-agent.ts";
import { surroundingsOf } from "./surroundings.ts";
import { toolContext } from "./tool-context.ts";
import type { Weighed } from "./weigh.ts";

/** A call as an approval is bound to it, and the files that a person is shown with it. */
export interface Bound {
  binding: Binding;
  files: { name: string; sha256: string }[];
}

/**
 * Names everything that would run (P3): the same call gives the same binding as long as nothing of it has changed. The
 * content is placed first, so that what is hashed is what the command would find. Only while nothing of the run is
 * running. Undefined when its directories hold more than can be named.
 */
export async function bind(
  drive: Drive,
  callId: string,
  tool: Tool,
  args: unknown,
  weighed: Weighed,
  hosts: readonly string[],
): Promise<Bound | undefined> {
  if (tool.remote) return bindRemote(drive, tool.remote, { name: tool.name, args, hosts });
  const wanted = weighed.wanted as WantedCode;
  const surrounding = wanted.isOwnScript
    ? await script(drive)
    : wanted.artifact === null
      ? await own(drive, callId, args, hosts)
      : await closed(drive, weighed);
  if (surrounding === undefined) return undefined;
  const { files, ...parts } = surrounding;
  const { intent: _, ...bound } = args as Record<string, unknown>;
  const binding = bindCall({
    agent: agentRevision(drive.ledger.state.snapshot),
    run_tree: drive.rootRunId,
    tool: tool.name,
    arguments: digestOf(bound),
    entrypoint: wanted.entrypoint ?? none,
    secrets: secretsPart(wanted.secrets),
    hosts: [...hosts].sort().join(" ") || none,
    staged: digestOf(files),
    ...parts,
  });
  return { binding, files };
}

type Surrounding = Record<"workspace" | "tmp" | "artifact" | "layers" | "environment", string> & {
  files: Bound["files"];
};

/** A call in the run's own directories sees all that is in them. */
async function own(
  drive: Drive,
  callId: string,
  args: unknown,
  hosts: readonly string[],
): Promise<Surrounding | undefined> {
  // A sandbox that is just being opened makes directories for what it mounts.
  await drive.sandbox.discard(drive.runId);
  await stageContent(await toolContext(drive, callId, []));
  const place = await openPlace(drive);
  const { capture_paths } = args as { capture_paths?: { path: string }[] };
  const captures = (capture_paths ?? []).map(({ path }) => path);
  const surroundings = await surroundingsOf(drive, hosts, captures);
  drive.sandbox.makeDirectories(place, surroundings);
  const [tmp, workspace] = await Promise.all(
    [place.tmp, place.workspace].map((root) =>
      drive.threads.run(
        { module: treeDigestThread, work: digestTree },
        { root, entriesMax: limits.boundTreeEntries },
        drive.signal,
      ),
    ),
  );
  if (!tmp || !workspace) return undefined;
  const { environment, network } = surroundings;
  const { current } = contentView(await drive.store.files.content(drive.rootRunId), drive.runId);
  return {
    ...{ tmp, workspace, artifact: none },
    layers: layersPart(drive),
    environment: namesOf({ ...environment, ...network?.environment }),
    files: current.map(({ name, sha256 }) => ({ name, sha256 })),
  };
}

/** A call in an artifact sees the artifact and nothing else. Throws `digest_mismatch` when a file is not what it was. */
async function closed({ blobs, signal }: Drive, { artifact }: Weighed): Promise<Surrounding> {
  const layers = artifact?.layers ?? [];
  for (const { sha256 } of artifact?.files ?? []) await blobs.check(sha256, signal);
  return {
    ...{ tmp: none, workspace: none },
    artifact: artifact?.digest ?? none,
    layers: layers.length > 0 ? digestOf(layers) : none,
    environment: layers.length > 0 ? "of its layers" : none,
    files: (artifact?.files ?? []).map(({ name, sha256 }) => ({ name, sha256 })),
  };
}

/** What the run was given is mounted as layers are, and another run of the same agent may be given something else. */
function layersPart({ ledger }: Drive): string {
  const layers = [...ledger.state.layers.values()].map(({ path, digest }) => [path, digest]);
  const given = placedBundles(ledger.state.snapshot).map(({ path, contentHash }) => [
    path,
    contentHash,
  ]);
  const mounts = [...layers, ...given];
  return mounts.length > 0 ? digestOf(mounts) : none;
}

/**
 * A script sees its agent's folder, what its submission has put around it, and what it is given: as with the arguments of a
 * program, that is not what is approved.
 */
async function script(drive: Drive): Promise<Surrounding> {
  const { blobs, ledger, signal } = drive;
  const files = agentFilesOf(ledger.state.snapshot);
  for (const { sha256 } of files) await blobs.check(sha256, signal);
  return {
    ...{ tmp: none, workspace: none, artifact: none, layers: layersPart(drive) },
    environment: namesOf(envVarsOf(ledger.state.snapshot)),
    files,
  };
}

function namesOf(environment: Record<string, string>): string {
  return Object.keys(environment).sort().join(" ") || none;
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
}
