import { closeSync, constants, openSync, statSync } from "node:fs";
import {
  at,
  type Owner,
  openDirectoryBelow,
  openRoot,
  statBelow,
  TreeError,
} from "../base/below.ts";
import { Problem } from "../contract/problem.ts";
import { checkMountTargets } from "./mount-targets.ts";
import type { Mount, Place } from "./sandbox.ts";

const { O_WRONLY, O_CREAT, O_EXCL } = constants;

/**
 * Makes the places below `/tmp` and `/workspace` at which something is to be mounted. By descriptor and through no link,
 * because bwrap would follow one that the run has laid there. Only while nothing of the run's own is running. Throws
 * `invalid_request`, naming the target, when something of the run is in the way.
 */
export function makeMountPoints(
  place: Place,
  mounts: readonly Mount[],
  owner: Owner | undefined,
  most?: number,
): void {
  if (mounts.length === 0) return;
  checkMountTargets(
    mounts.map(({ target }) => target),
    most,
  );
  for (const { source, target } of mounts) {
    const [, top = "", ...names] = target.split("/");
    if (top !== "tmp" && top !== "workspace") continue;
    const root = openRoot(place[top]);
    try {
      makeOne(root, names, statSync(source).isDirectory(), owner);
    } catch (error) {
      if (!(error instanceof TreeError)) throw error;
      throw inTheWay(target, error);
    } finally {
      closeSync(root);
    }
  }
}

function makeOne(
  root: number,
  names: string[],
  isDirectory: boolean,
  owner: Owner | undefined,
): void {
  const create = { mode: 0o755, owner };
  if (isDirectory) {
    closeSync(openDirectoryBelow(root, names.join("/"), create));
    return;
  }
  const name = names.pop() ?? "";
  const parent = openDirectoryBelow(root, names.join("/"), create);
  try {
    const stats = statBelow(parent, name);
    if (stats?.isFile()) return;
    if (stats !== undefined) throw new TreeError("EEXIST", "Something else is in the way");
    closeSync(openSync(at(parent, Buffer.from(name)), O_WRONLY | O_CREAT | O_EXCL, 0o444));
  } finally {
    closeSync(parent);
  }
}

function inTheWay(target: string, cause: TreeError): Problem {
  const message = `Cannot mount at ${JSON.stringify(target)}: a link or a file of the run is in the way`;
  return new Problem("invalid_request", message, { target }, { cause });
}
