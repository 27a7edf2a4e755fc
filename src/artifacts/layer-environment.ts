import { closeSync } from "node:fs";
import { basename } from "node:path/posix";
import { namesBelow, openRoot } from "../base/below.ts";
import type { ArtifactLayer } from "../contract/artifact.ts";

/** A layer where programs find it: its places in the sandbox, and its tree on this machine. */
export type MountedLayer = Pick<ArtifactLayer, "mount_path" | "mount_as"> & { tree: string };

/** Directories in which programs look for other programs and for modules, each as the variable has it. */
export interface LayerEnvironment {
  PATH: string[];
  PYTHONPATH: string[];
  NODE_PATH: string[];
  /** What keeps Go and cargo from looking for the network. */
  variables: Record<string, string>;
}

/**
 * What the layers of an artifact add to the environment of its programs, by what lies in their trees: Python
 * distributions, modules of Node, a virtual environment or a prefix with `bin`. A layer of which nothing is recognised
 * adds nothing. Both places of a layer hold the same tree, so the first one is named. Trees are the gateway's own.
 */
export function layerEnvironment(layers: readonly MountedLayer[]): LayerEnvironment {
  const found: LayerEnvironment = { PATH: [], PYTHONPATH: [], NODE_PATH: [], variables: {} };
  for (const { mount_path, mount_as, tree } of layers) {
    const root = openRoot(tree);
    try {
      const isModules = [mount_path, mount_as ?? ""].some((path) => basename(path) === modules);
      const added = recognise((path) => namesBelow(root, path), isModules);
      for (const name of ["PATH", "PYTHONPATH", "NODE_PATH"] as const) {
        const paths = added[name].map((path) =>
          path === "" ? mount_path : `${mount_path}/${path}`,
        );
        found[name].push(...paths);
      }
      Object.assign(
        found.variables,
        offline((path) => namesBelow(root, path), mount_path),
      );
    } finally {
      closeSync(root);
    }
  }
  return found;
}

/** The variables of an environment, but PATH, which has more in it. */
export function environmentVariables(found: LayerEnvironment): Record<string, string> {
  const { PYTHONPATH, NODE_PATH, variables } = found;
  return {
    ...variables,
    ...(PYTHONPATH.length > 0 ? { PYTHONPATH: PYTHONPATH.join(":") } : {}),
    ...(NODE_PATH.length > 0 ? { NODE_PATH: NODE_PATH.join(":") } : {}),
  };
}

const modules = "node_modules";

/** The directories of one tree, relative to its top; `isModules` when the tree is mounted by that name. */
function recognise(
  namesOf: (path: string) => string[],
  isModules: boolean,
): Omit<LayerEnvironment, "variables"> {
  const found: Omit<LayerEnvironment, "variables"> = { PATH: [], PYTHONPATH: [], NODE_PATH: [] };
  const names = namesOf("");
  if (names.includes("bin")) found.PATH.push("bin");
  // npm leaves its list of what it installed beside the modules.
  if (isModules || names.includes(".package-lock.json")) {
    found.NODE_PATH.push("");
    if (names.includes(".bin")) found.PATH.push(".bin");
  }
  if (names.includes(modules)) {
    found.NODE_PATH.push(modules);
    if (namesOf(modules).includes(".bin")) found.PATH.push(`${modules}/.bin`);
  }
  if (names.some((name) => name.endsWith(".dist-info"))) found.PYTHONPATH.push("");
  // Where packages of the distribution are, below a prefix.
  const distribution = "root/usr/lib/python3";
  if (names.includes("root") && namesOf(distribution).includes("dist-packages")) {
    found.PYTHONPATH.push(`${distribution}/dist-packages`);
  }
  for (const version of names.includes("lib") ? namesOf("lib") : []) {
    if (!/^python3\.\d+$/.test(version)) continue;
    const packages = `lib/${version}/site-packages`;
    if (namesOf(`lib/${version}`).includes("site-packages")) found.PYTHONPATH.push(packages);
  }
  return found;
}

/** A module cache of Go, a registry of cargo, or gems: read-only, and what is in it was checked when it was filled. */
function offline(namesOf: (path: string) => string[], path: string): Record<string, string> {
  const names = namesOf("");
  if (names.includes("cache") && namesOf("cache").includes("download")) {
    return { GOMODCACHE: path, GOPROXY: "off", GOFLAGS: "-mod=mod", GOSUMDB: "off" };
  }
  if (names.includes("gems") && names.includes("specifications")) return { GEM_PATH: path };
  return names.includes("cache") && names.includes("index") ? { CARGO_NET_OFFLINE: "true" } : {};
}
