import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { readBelow } from "../base/read-below.ts";
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
    base64: readBack(context, path).toString("base64"),
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

/** Only while nothing of the run is running: it is what it was when it was listed. */
function readBack({ place }: ToolContext, path: string): Buffer {
  const [, area, ...names] = path.split("/");
  const root = area === "tmp" ? place.tmp : place.workspace;
  const data = readBelow(root, Buffer.from(names.join("/"), "latin1"), limits.buildSideBytes);
  assert(typeof data === "object", `${path} was listed as a file`);
  return data;
}
