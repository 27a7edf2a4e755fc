import type { PackageEcosystem } from "../contract/environment.ts";
import type { Surroundings } from "../sandbox/sandbox.ts";
import {
  buildKey,
  type CommandOutcome,
  captureLayers,
  type EventLayer,
  layersFull,
  runCommand,
  shellQuoted,
  type ToolContext,
} from "../tools/tools.ts";
import { recipes, type Wanted } from "./packages-recipes.ts";

export type InstalledPackages =
  | { type: "installed"; layer: EventLayer }
  /** The run ends, or the gateway: nothing is to be written down. */
  | { type: "cut" }
  | { type: "disk_limit" }
  | { type: "failed"; message: string };

/** How much of an installer's last words is told. */
const wordsChars = 2_000;

/**
 * Installs packages of one ecosystem into a layer, in directories where nothing else is, unless the same was installed on
 * the same kind of host before. What is done twice leaves the same.
 */
export async function installPackages(
  context: ToolContext,
  { ecosystem, specs }: Wanted,
  surroundings: Surroundings,
): Promise<InstalledPackages> {
  const { path, mountPath, program, command: commandOf } = recipes[ecosystem];
  const guard = `command -v ${program} >/dev/null || { echo "${program}: command not found" >&2; exit 127; }`;
  const command = `${guard}\n${commandOf(specs.map(shellQuoted), mountPath)}`;
  const captures = [{ path, mount_as: mountPath }];
  const { versions } = await context.sandbox.toolsInside();
  const { hosts } = context;
  const key = buildKey({ command, captures, hosts, listing: new Map(), surroundings, versions });
  const install = async (): Promise<InstalledPackages> => {
    const found = await findLayer(context, key);
    if (found !== undefined) return { type: "installed", layer: { ...found, cached: true } };
    const full = layersFull(context);
    if (full !== undefined) return { type: "disk_limit" };
    const closed = await context.sandbox.openClosed(context.place);
    // Nothing of the run is there, its token and its manifest neither: the layer is for others as well.
    const place = { ...closed.place, own: closed.files };
    try {
      const ran = await context.withNetwork(hosts, () =>
        runCommand(context, command, surroundings, place),
      );
      const ended = endOf(ecosystem, specs, ran.value);
      if (ended !== undefined) return ended;
      const captured = await captureLayers(context, captures, ran.contacted, place);
      const [layer] = captured.layers;
      if (!captured.ok || layer === undefined) {
        const said = captured.ok ? "nothing was installed" : String(captured.result.message);
        return { type: "failed", message: `${cannot(ecosystem, specs)}: ${said}` };
      }
      const mounted = { ...layer, name: `${ecosystem} packages`, path: mountPath };
      const made = { ...mounted, mount_path: mountPath, mount_as: mountPath };
      await context.builds.keep(key, { layers: [made], files: [] }, false);
      return { type: "installed", layer: made };
    } finally {
      await context.sandbox.removeOnce(place);
    }
  };
  return context.builds.inTurn(key, install, context.signal);
}

/** Held from now on: the row that keeps it is written with the event. */
async function findLayer(context: ToolContext, key: string): Promise<EventLayer | undefined> {
  const found = await context.builds.find(key);
  const [layer] = found?.build.layers ?? [];
  if (layer === undefined) return undefined;
  try {
    await context.holdLayer(layer.digest);
    return layer;
  } catch {
    // Gone or damaged: it is installed again, which mends it.
    return undefined;
  }
}

const cannot = (ecosystem: PackageEcosystem, specs: readonly string[]) =>
  `Cannot install ${specs.join(", ")} with ${ecosystem}`;

/** Undefined: it was installed. */
function endOf(
  ecosystem: PackageEcosystem,
  specs: readonly string[],
  { end, result, cut, runLimit }: CommandOutcome,
): InstalledPackages | undefined {
  if (cut) return { type: "cut" };
  if (runLimit !== undefined) return { type: "disk_limit" };
  if (end.type === "exited" && end.exitCode === 0) return undefined;
  const { program, remedy } = recipes[ecosystem];
  const words = wordsOf(result);
  if (end.type === "exited" && end.exitCode === 127 && words.includes("command not found")) {
    const message = `${cannot(ecosystem, specs)}: the program ${program} is not installed here. ${remedy}`;
    return { type: "failed", message };
  }
  const why =
    end.type === "exited" ? `the installer ended with ${end.exitCode}` : lower(result.message);
  return { type: "failed", message: `${cannot(ecosystem, specs)}: ${why}${words && `: ${words}`}` };
}

const lower = (text: unknown) => String(text).replace(/^./, (first) => first.toLowerCase());

/** The end of what the installer said, of its errors when it told of any. */
function wordsOf({ stdout, stderr }: CommandOutcome["result"]): string {
  const said = String(stderr ?? "").trim() || String(stdout ?? "").trim();
  return said.length <= wordsChars ? said : `…${said.slice(-wordsChars)}`;
}
