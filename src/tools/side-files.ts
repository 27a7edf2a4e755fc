import { closeSync, readFileSync } from "node:fs";
import { openDirectoryBelow, openFileBelow, openRoot } from "../base/below.ts";
import { limits } from "../base/limits.ts";
import type { ListedEntry, Listing, Surroundings } from "../sandbox/sandbox.ts";
import type { Build } from "./build-cache.ts";
import type { ToolContext } from "./tool.ts";

/**
 * What a build left in the run's directories beside its layers, such as a lock file. Undefined when it is more than can
 * be kept with it, or something was taken away or is no file: such a build is not found again.
 */
export async function readSideFiles(
  context: ToolContext,
  before: Listing,
  surroundings: Surroundings,
  captures: readonly string[],
): Promise<Build["files"] | undefined> {
  const most = {
    entries: limits.buildInputEntries + limits.buildSideFiles,
    bytes: limits.buildInputBytes + limits.buildSideBytes,
  };
  const after = context.sandbox.list(context.place, most, surroundings);
  if (after === undefined) return undefined;
  const isOurs = (path: string) => captures.some((own) => `${path}/`.startsWith(`${own}/`));
  for (const path of before.keys()) if (!after.has(path) && !isOurs(path)) return undefined;
  const changed = [...after].filter(
    ([path, entry]) => !isOurs(path) && !isSame(entry, before.get(path)),
  );
  const directories = changed.filter(([, { type }]) => type === "directory");
  const files = changed.filter(([, { type }]) => type === "file");
  if (directories.length + files.length < changed.length) return undefined;
  const bytes = files.reduce((sum, [, entry]) => sum + entry.bytes, 0);
  if (files.length > limits.buildSideFiles || bytes > limits.buildSideBytes) return undefined;
  // An empty directory would be left out, unless it only leads to a layer.
  const isUsed = (path: string) =>
    [...files.map(([file]) => file), ...captures].some((other) => other.startsWith(`${path}/`));
  if (!directories.every(([path]) => isUsed(path))) return undefined;
  return files.map(([path, { executable }]) => ({
    ...{ path: Buffer.from(path, "latin1").toString("utf8"), executable },
    base64: readOwn(context, Buffer.from(path, "latin1")).toString("base64"),
  }));
}

function isSame(one: ListedEntry, other: ListedEntry | undefined): boolean {
  return (
    other !== undefined &&
    one.type === other.type &&
    one.sha256 === other.sha256 &&
    one.executable === other.executable
  );
}

/** A file of the run, reached by descriptor: it may have put links anywhere. */
function readOwn({ place }: ToolContext, path: Buffer): Buffer {
  const [, area, ...names] = path.toString("latin1").split("/");
  const name = Buffer.from(names.pop() ?? "", "latin1");
  const root = openRoot(area === "tmp" ? place.tmp : place.workspace);
  try {
    const directory = openDirectoryBelow(root, Buffer.from(names.join("/"), "latin1"));
    try {
      const fd = openFileBelow(directory, name);
      try {
        return readFileSync(fd);
      } finally {
        closeSync(fd);
      }
    } finally {
      closeSync(directory);
    }
  } finally {
    closeSync(root);
  }
}
