import { closeSync } from "node:fs";
import { z } from "zod";
import type { PackageEcosystem } from "../analysis/analysis.ts";
import { environmentVariables, layerEnvironment } from "../artifacts/artifacts.ts";
import { namesBelow, openRoot, statBelow } from "../base/below.ts";
import type { Mount } from "../sandbox/sandbox.ts";
import { layersFull } from "./build.ts";
import { buildKey } from "./build-cache.ts";
import { captureLayers } from "./capture-layers.ts";
import { runCommand, shellQuoted } from "./command.ts";
import { type EventLayer, failure, type ToolContext, type ToolOutcome } from "./tool.ts";

/** A package as pip or npm is asked for it: a name, extras or a scope, and a version. Never an option. */
const Package = z
  .string()
  .max(214)
  .regex(
    /^[A-Za-z0-9@][A-Za-z0-9._\-<>=!~^[\],@/+]*$/,
    "expected a package name with an optional version, such as requests>=2.31 or left-pad@1.3.0",
  );

/** Packages that a call needs. */
export const Dependencies = z.strictObject({
  runtime: z.enum(["python", "nodejs", "node"], { error: "expected python, nodejs or node" }),
  packages: z.array(Package).min(1).max(100),
});
export type Dependencies = z.infer<typeof Dependencies>;

/** What packages of this runtime come from. */
export function ecosystemOf({ runtime }: Dependencies): PackageEcosystem {
  return runtime === "python" ? "python" : "javascript";
}

export type Installed =
  | {
      ok: true;
      layers: EventLayer[];
      mounts: Mount[];
      environment: Record<string, string>;
      bins: string[];
    }
  | { ok: false; result: ToolOutcome["result"] };

const recipes = {
  python: {
    path: "/tmp/python",
    mountAt: "/deps/python",
    command: (packages: string) =>
      `python3 -m pip install --no-input --target /tmp/python -- ${packages}`,
  },
  node: {
    path: "/tmp/node_modules",
    mountAt: "/deps/node_modules",
    // Where nothing else is, so that npm does not take an example of a package.json above it.
    command: (packages: string) =>
      `echo '{"private":true}' > package.json && npm install --no-audit --no-fund -- ${packages}`,
  },
} as const;

/**
 * Installs packages into a layer of their own, in fresh directories and over the call's network; the same packages are
 * installed once a day at most. The layer is mounted below `/deps`.
 */
export async function installDependencies(
  context: ToolContext,
  { runtime, packages }: Dependencies,
): Promise<Installed> {
  const recipe = recipes[runtime === "python" ? "python" : "node"];
  const sorted = [...new Set(packages)].sort();
  const command = recipe.command(sorted.map(shellQuoted).join(" "));
  const captures = [{ path: recipe.path, mount_as: recipe.mountAt }];
  const surroundings = { ...(await context.surroundings(context.hosts, ["/tmp"])), mounts: [] };
  const { versions } = await context.sandbox.toolsInside();
  const { hosts } = context;
  const inputs = { command, captures, hosts, listing: new Map(), surroundings, versions };
  const key = buildKey(inputs);
  const install = async (): Promise<Installed> => {
    const found = await context.builds.find(key);
    if (found !== undefined) {
      const layers = found.build.layers.map((layer) => ({ ...layer, cached: true }));
      const mounted = await mount(context, layers);
      if (mounted !== undefined) return { ok: true, layers, ...mounted };
    }
    const full = layersFull(context);
    if (full !== undefined) return { ok: false, result: full };
    const { place } = await context.sandbox.openClosed(context.place);
    try {
      const ran = await context.withNetwork(hosts, () =>
        runCommand(context, command, surroundings, place),
      );
      const { end, result } = ran.value;
      if (end.type !== "exited" || end.exitCode !== 0) return notInstalled(packages, result);
      const captured = await captureLayers(context, captures, ran.contacted, place);
      if (!captured.ok) return captured;
      const layers = captured.layers.map((layer) => {
        // Where it is mounted, not where it was installed: that is no place of the run.
        const at = recipe.mountAt;
        return { ...layer, name: `${runtime} dependencies`, path: at, mount_path: at };
      });
      await context.builds.keep(key, { layers, files: [] }, false);
      const mounted = await mount(context, layers);
      if (mounted === undefined) return notInstalled(packages, result);
      return { ok: true, layers, ...mounted };
    } finally {
      await context.sandbox.removeOnce(place);
    }
  };
  return context.builds.inTurn(key, install, context.signal);
}

async function mount(
  context: ToolContext,
  layers: readonly EventLayer[],
): Promise<Omit<Extract<Installed, { ok: true }>, "ok" | "layers"> | undefined> {
  const mounted: { tree: string; mount_path: string; mount_as: null }[] = [];
  for (const { digest, mount_path } of layers) {
    try {
      const { tree } = await context.holdLayer(digest);
      mounted.push({ tree, mount_path, mount_as: null });
    } catch {
      // Gone or damaged: it is installed again, which mends it.
      return undefined;
    }
  }
  const found = layerEnvironment(mounted);
  return {
    mounts: mounted.map(({ tree, mount_path }) => ({ source: tree, target: mount_path })),
    environment: environmentVariables(found),
    bins: found.PATH,
  };
}

/**
 * Modules of Node once more, where `import` finds them from a program in `/tmp`: it knows no NODE_PATH. Only where
 * neither a layer nor anything of the run's own lies.
 */
export function modulesForImport(
  { place }: Pick<ToolContext, "place">,
  own: readonly Mount[],
  installed: readonly Mount[],
): Mount[] {
  const modules = installed.find(({ target }) => target === recipes.node.mountAt);
  const isTaken = own.some(({ target }) => `${target}/`.startsWith("/tmp/node_modules/"));
  if (modules === undefined || isTaken) return [];
  const root = openRoot(place.tmp);
  try {
    const stats = statBelow(root, "node_modules");
    const isFree = stats === undefined || (stats.isDirectory() && isEmpty(root));
    return isFree ? [{ source: modules.source, target: "/tmp/node_modules" }] : [];
  } finally {
    closeSync(root);
  }
}

const isEmpty = (root: number) => namesBelow(root, "node_modules").length === 0;

function notInstalled(packages: readonly string[], said: ToolOutcome["result"]): Installed {
  const { ok: _, ...more } = said;
  return {
    ok: false,
    result: failure(
      "resource",
      `Cannot install ${packages.join(", ")}`,
      "Look at stderr: a name may be wrong, or a registry out of reach",
      { error_kind: "dependencies_failed", ...more },
    ),
  };
}
