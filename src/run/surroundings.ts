import { environmentVariables, layerEnvironment } from "../artifacts/artifacts.ts";
import type { BundleMount, Surroundings } from "../sandbox/sandbox.ts";
import type { Drive } from "./drive.ts";
import { envVarsOf } from "./environment.ts";
import { openPlace } from "./provision.ts";
import { mayCallSdk } from "./sdk-door-calls.ts";

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
  const network = hosts.length === 0 ? null : (await networkOf(drive)).sandboxNetwork();
  const own = isBuild ? buildEnvironment : environmentVariables(found);
  const given = envVarsOf(drive.ledger.state.snapshot, own, network?.environment ?? {});
  return {
    mounts: layers.map(({ tree, path }) => ({ source: tree, target: path })),
    environment: { ...given, ...own },
    bins: isBuild ? [] : found.PATH,
    network,
    ...(isBuild ? { noModules: true } : { ...(await bundlesOf(drive)), ...(await sdkOf(drive)) }),
  };
}

/** Two installs of the same lock are the same tree only without what differs each time. */
export const buildEnvironment: Record<string, string> = {
  PYTHONDONTWRITEBYTECODE: "1",
  // Inverted: 0 is what leaves compiled files out.
  PIP_NO_COMPILE: "0",
  PYTHONHASHSEED: "0",
  SOURCE_DATE_EPOCH: "315532800",
  npm_config_audit: "false",
  npm_config_fund: "false",
};

/** Nothing of them is in a build: it would be another one for every run that was given something else. */
async function bundlesOf({ bundles }: Drive): Promise<{ bundles?: BundleMount[] }> {
  const mounts = await bundles.mounts();
  return mounts.length === 0 ? {} : { bundles: mounts };
}

/** A build asks nothing of the gateway: what it installs would depend on more than its key says. */
async function sdkOf(drive: Drive): Promise<{ sdk?: string }> {
  if (!mayCallSdk(drive.power)) return {};
  drive.sdk ??= drive.openSdk(await openPlace(drive));
  return { sdk: (await drive.sdk).directory };
}

/** The run's network, opened once its place is there. */
export async function networkOf(drive: Drive): Promise<NonNullable<Drive["network"]>> {
  drive.network ??= drive.openNetwork(await openPlace(drive));
  return drive.network;
}
