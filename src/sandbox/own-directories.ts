import { mountsMax } from "../base/mount-path.ts";
import { bundlesElsewhere } from "./bundle-mounts.ts";
import { keepRegistryInTmp } from "./cargo-home.ts";
import { type Identity, ownerOf } from "./identity.ts";
import { makeMountPoints } from "./mount-points.ts";
import type { Place, Surroundings } from "./sandbox.ts";

/**
 * Makes what a sandbox with these surroundings needs in its run's directories before it is opened: places to mount at, and
 * where cargo keeps what it downloads. Doing it again changes nothing. Only while nothing of the run's own is running.
 */
export function makeDirectories(
  host: { identity: Identity; cargo: boolean },
  place: Place,
  surroundings: Surroundings,
): void {
  const owner = ownerOf(host.identity, place.uid);
  const { mounts, bundles = [] } = surroundings;
  const given = bundlesElsewhere(bundles);
  // Those that the run was given were counted when it was submitted, and take no place from its layers.
  makeMountPoints(place, [...mounts, ...given], owner, mountsMax + given.length);
  if (host.cargo) keepRegistryInTmp(place, surroundings, owner);
}
