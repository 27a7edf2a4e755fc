import { createHash } from "node:crypto";
import { closeSync, symlinkSync } from "node:fs";
import {
  at,
  namesBelow,
  type Owner,
  openDirectoryBelow,
  openRoot,
  statBelow,
} from "../base/below.ts";

/**
 * A registry whose index is a git repository is read by cargo only when the repository belongs to the user that cargo runs
 * as, and in a layer it belongs to the gateway. So the run gets directories of its own, in which all is a link into the
 * layer. `home` is an open CARGO_HOME, `tree` the layer on the host, `inside` where it is mounted. Undefined when the
 * registry has no such index; else the name in `home` of the directory that stands for it.
 */
export function makeOwnRegistry(
  home: number,
  tree: string,
  inside: string,
  owner: Owner,
): string | undefined {
  const root = openRoot(tree);
  try {
    const indexes = namesBelow(root, "index").filter(
      (name) => namesBelow(root, `index/${name}/.git`)[0],
    );
    if (indexes.length === 0) return undefined;
    const name = `registry-${createHash("sha256").update(tree).digest("hex").slice(0, 16)}`;
    const own = (path: string) => {
      const create = { mode: 0o755, owner };
      const directory = openDirectoryBelow(home, path === "" ? name : `${name}/${path}`, create);
      try {
        for (const entry of namesBelow(root, path)) {
          const child = path === "" ? entry : `${path}/${entry}`;
          const isOwn = child === "index" || indexes.some((one) => isPartOf(child, one));
          if (isOwn) own(child);
          else if (statBelow(directory, entry) === undefined) {
            symlinkSync(`${inside}/${child}`, at(directory, Buffer.from(entry)));
          }
        }
      } finally {
        closeSync(directory);
      }
    };
    own("");
    return name;
  } finally {
    closeSync(root);
  }
}

function isPartOf(path: string, index: string): boolean {
  return path === `index/${index}` || path === `index/${index}/.git`;
}
