import { basename } from "node:path";
import type { Mount } from "./sandbox.ts";

/** Where the skills and files of a run are inside, each below its name. */
export const skillsPath = "/airlock/skills";
export const filesPath = "/airlock/files";

/**
 * The directories of `/airlock` below which bundles are, each with the place that it leads to: `/airlock` itself is the same
 * for all runs and is mounted last, so what differs by run is mounted at the top before it.
 */
export const bundleRoots = [
  { path: skillsPath, mount: "/airlock-skills" },
  { path: filesPath, mount: "/airlock-files" },
] as const;

/** The names in `/airlock` that lead there. */
export const bundleLinks = bundleRoots.map(({ path, mount }) => ({
  path: basename(path),
  target: mount,
}));

/** Options of bwrap: the directories of all bundles, and each bundle in its place, read-only. */
export function bundleArgs(bundles: readonly Mount[]): string[] {
  return [
    // Also without a bundle, so that the links lead somewhere.
    ...bundleRoots.flatMap(({ mount }) => ["--dir", mount]),
    ...bundles.flatMap(({ source, target }) => ["--ro-bind", source, mountedAt(target)]),
  ];
}

/** Where a bundle really is mounted. */
function mountedAt(target: string): string {
  const root = bundleRoots.find(({ path }) => target.startsWith(`${path}/`));
  return root === undefined ? target : root.mount + target.slice(root.path.length);
}

/** Those that lie among the run's own directories, or where layers do. */
export function bundlesElsewhere(bundles: readonly Mount[]): Mount[] {
  return bundles.filter(({ target }) => mountedAt(target) === target);
}
