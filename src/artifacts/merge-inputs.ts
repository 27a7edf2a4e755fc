import { mountProblem, mountsMax, nestedMounts } from "../base/mount-path.ts";
import type { ArtifactFile, ArtifactLayer, ArtifactManifest } from "../contract/artifact.ts";

/** A file of its own can be said to be executable without being an entrypoint, as a program that one calls. */
export type ArtifactInput =
  | { type: "file"; file: Omit<ArtifactFile, "executable"> & { executable?: boolean } }
  | { type: "artifact"; name: string; manifest: ArtifactManifest };

export interface Wanted {
  inputs: readonly ArtifactInput[];
  /** Undefined: those of the artifacts among the inputs. */
  entrypoints: readonly string[] | undefined;
  layers: readonly ArtifactLayer[];
  /** Undefined: that of the first artifact among the inputs, else `generic`. */
  kind: ArtifactManifest["kind"] | undefined;
}

export type Merged = { ok: true; manifest: ArtifactManifest } | { ok: false; message: string };

/**
 * Makes one bundle of several inputs. Artifacts come first and bring their layers along, then the files, and of two
 * things with one name or one place the later one counts. What becomes executable is decided here: the entrypoints, and
 * whatever was said to be executable, or was in an artifact that came in.
 */
export function mergeInputs(wanted: Wanted): Merged {
  const bundles = wanted.inputs.filter((input) => input.type === "artifact");
  const loose = wanted.inputs.filter((input) => input.type === "file");
  const kind = kindOf(bundles, wanted.kind);
  if (typeof kind !== "string") return kind;

  const files = new Map<string, ArtifactFile>();
  for (const { manifest } of bundles) for (const file of manifest.files) files.set(file.name, file);
  for (const { file } of loose) {
    files.set(file.name, { ...file, executable: file.executable ?? false });
  }

  const names = [...files.keys()];
  const entrypoints = new Set(
    wanted.entrypoints ?? bundles.flatMap(({ manifest }) => manifest.entrypoints),
  );
  for (const name of entrypoints) {
    if (files.has(name)) continue;
    return refuse(`entrypoints: there is no ${quote(name)} among the files ${listed(names)}`);
  }
  const inside = names.find((name) => names.some((other) => name.startsWith(`${other}/`)));
  if (inside !== undefined) {
    return refuse(`inputs: ${quote(inside)} lies in a directory that is a file of the same name`);
  }

  const layers = mergeLayers([
    ...bundles.flatMap(({ manifest }) => manifest.layers),
    ...wanted.layers,
  ]);
  const problem = layersProblem(layers, names);
  if (problem !== undefined) return refuse(problem);
  return {
    ok: true,
    manifest: {
      kind,
      files: [...files.values()]
        .map((file) => ({ ...file, executable: file.executable || entrypoints.has(file.name) }))
        .sort(byBytes((file) => file.name)),
      entrypoints: [...entrypoints].sort(byBytes((name) => name)),
      layers: layers.sort(byBytes((layer) => layer.mount_path)),
    },
  };
}

function kindOf(
  bundles: { name: string; manifest: ArtifactManifest }[],
  asked: ArtifactManifest["kind"] | undefined,
): ArtifactManifest["kind"] | { ok: false; message: string } {
  const [first] = bundles;
  if (first === undefined) return asked ?? "generic";
  const other = bundles.find(({ manifest }) => manifest.kind !== (asked ?? first.manifest.kind));
  if (other === undefined) return asked ?? first.manifest.kind;
  const wanted = asked ?? first.manifest.kind;
  return refuse(
    `kind: ${quote(wanted)} contradicts ${other.name}, which is of the kind ${quote(other.manifest.kind)}`,
  );
}

/** Of two layers at one place the later one counts; it may have been built anew. */
function mergeLayers(layers: readonly ArtifactLayer[]): ArtifactLayer[] {
  return [...new Map(layers.map((layer) => [layer.mount_path, layer])).values()];
}

function layersProblem(layers: ArtifactLayer[], files: string[]): string | undefined {
  const mounts = layers.flatMap(({ mount_path, mount_as }) =>
    mount_as === null || mount_as === mount_path ? [mount_path] : [mount_path, mount_as],
  );
  if (mounts.length > mountsMax) {
    return `layers: ${mounts.length} places are too many, expected at most ${mountsMax}`;
  }
  for (const path of mounts) {
    const problem = mountProblem(path);
    if (problem !== undefined) return `layers: ${quote(path)} ${problem}`;
  }
  const nested = nestedMounts([...mounts, ...files.map((name) => `/tmp/${name}`)]);
  if (nested === undefined) return undefined;
  const [outer, inner] = nested;
  return outer === inner
    ? `layers: ${quote(outer)} is taken twice`
    : `layers: ${quote(inner)} lies inside ${quote(outer)}`;
}

function byBytes<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => Buffer.compare(Buffer.from(key(a)), Buffer.from(key(b)));
}

function refuse(message: string): { ok: false; message: string } {
  return { ok: false, message };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

const listedMax = 20;

function listed(names: string[]): string {
  const shown = names.slice(0, listedMax).map(quote).join(", ");
  return names.length > listedMax ? `${shown} and ${names.length - listedMax} more` : shown;
}
