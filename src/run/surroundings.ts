import { environmentVariables, layerEnvironment } from "../artifacts/artifacts.ts";
import type { Surroundings } from "../sandbox/sandbox.ts";
import type { Drive } from "./drive.ts";
import { openPlace } from "./provision.ts";

/**
 * What the run's own commands have around them: the layers that it captured, read-only at the paths they were captured
 * from, and a way out when there are hosts. A build sees no layer at the paths that it captures, and no environment of
 * layers, which would change what it installs.
 */
export async function surroundingsOf(
  drive: Drive,
  hosts: readonly string[],
  captures: readonly string[] = [],
): Promise<Surroundings> {
  const isNested = (path: string) =>
    captures.some((other) => `${path}/`.startsWith(`${other}/`) || other.startsWith(`${path}/`));
  const layers = await Promise.all(
    [...drive.ledger.state.layers.values()]
      .filter(({ path }) => !isNested(path))
      .map(async ({ digest, path }) => ({ tree: (await drive.held.open(digest)).tree, path })),
  );
  const found = layerEnvironment(
    layers.map(({ tree, path }) => ({ tree, mount_path: path, mount_as: null })),
  );
  const isBuild = captures.length > 0;
  return {
    mounts: layers.map(({ tree, path }) => ({ source: tree, target: path })),
    environment: isBuild ? buildEnvironment : environmentVariables(found),
    bins: isBuild ? [] : found.PATH,
    network: hosts.length === 0 ? null : (await networkOf(drive)).sandboxNetwork(),
  };
}

/** Two installs of the same lock are the same tree only without what differs each time. */
const buildEnvironment: Record<string, string> = {
  PYTHONDONTWRITEBYTECODE: "1",
  // Inverted: 0 is what leaves compiled files out.
  PIP_NO_COMPILE: "0",
  PYTHONHASHSEED: "0",
  SOURCE_DATE_EPOCH: "315532800",
  npm_config_audit: "false",
  npm_config_fund: "false",
};

/** The run's network, opened once its place is there. */
export async function networkOf(drive: Drive): Promise<NonNullable<Drive["network"]>> {
  drive.network ??= drive.openNetwork(await openPlace(drive));
  return drive.network;
}
