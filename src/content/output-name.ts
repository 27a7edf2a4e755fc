import { createHash } from "node:crypto";

const segmentBytesMax = 255;
const extensionBytesMax = 32;

/** A captured file: where it was, and where it lies below its output directory. */
export interface PlacedOutput {
  path: string;
  relative: string;
  /** The output directory, normalised. */
  dir: string;
}

/**
 * Gives every captured file a name below `outputs/` that any system can hold, unique without regard to case and to the
 * way its letters are composed. When a run asked for one directory the name is the path below it; when for `several`,
 * it starts with the last segment of the file's directory. A file that has a name keeps it (`taken`, by path), so that
 * names do not change between two captures; of two new ones that collide, the later gets `-<6 hex>` of its path's digest.
 */
export function nameOutputs(
  files: readonly PlacedOutput[],
  several: boolean,
  taken: ReadonlyMap<string, string>,
): Map<string, string> {
  const names = new Map<string, string>();
  const take = openPlaces();
  for (const { path } of files) {
    const name = taken.get(path);
    if (name !== undefined && take(name) === undefined) names.set(path, name);
  }
  for (const file of files) {
    if (names.has(file.path)) continue;
    const prefix = several ? `${file.dir.split("/").at(-1)}/` : "";
    names.set(file.path, uniqueName(safeName(prefix + file.relative), file.path, take));
  }
  return names;
}

/** Takes a name, or says which of its segments is in the way of another name. */
type Take = (name: string) => number | undefined;

/**
 * A directory that stands where another output is a file is renamed by its own path, so that all that is in it stays
 * together; a file by the path that it has in the sandbox.
 */
function uniqueName(name: string, path: string, take: Take): string {
  const safe = name.split("/");
  const segments = [...safe];
  // Only an output that was named like the answer on purpose makes a second round necessary.
  for (let round = 0; ; round++) {
    const index = take(segments.join("/"));
    if (index === undefined) return segments.join("/");
    const place = index === safe.length - 1 ? path : safe.slice(0, index + 1).join("/");
    const hex = createHash("sha256")
      .update(`${place}${"/".repeat(round)}`)
      .digest("hex");
    segments[index] = fitted(safe[index] ?? "", `-${hex.slice(0, 6)}`);
  }
}

/** Remembers the names in use. A name may be neither another file nor a directory of another file. */
function openPlaces(): Take {
  const files = new Set<string>();
  const directories = new Set<string>();
  return (name) => {
    const place = fold(name);
    const above = directoriesOf(place);
    const blocked = above.findIndex((directory) => files.has(directory));
    if (blocked >= 0) return blocked;
    if (files.has(place) || directories.has(place)) return above.length;
    files.add(place);
    for (const directory of above) directories.add(directory);
    return undefined;
  };
}

function directoriesOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** Upper case first, so that `ß` and `SS` fold together as some file systems have it. */
function fold(name: string): string {
  return name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** A relative path that is harmless as a file name on Linux, macOS and Windows and as an entry of an archive. */
export function safeName(path: string): string {
  const relative = path.replace(/^[\\/]*\?*[\\/]*[A-Za-z]:(?=[\\/])/, "").replace(/^[\\/]+/, "");
  const segments = relative.split("/").filter((segment) => segment !== "" && segment !== ".");
  return segments.map(safeSegment).join("/") || "_";
}

/** Control characters, what Windows forbids, and what is invisible or turns the direction of writing around. */
const forbidden =
  /[\0-\x1f\x7f-\x9f<>:"|?*\\\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|\p{Surrogate}/gu;
const windowsDevice = /^(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\.|$)/i;

function safeSegment(segment: string): string {
  if (segment === "..") return "_";
  const plain = trimEnd(segment.normalize("NFC").replace(forbidden, "_").normalize("NFC"));
  const named = windowsDevice.test(plain) ? `_${plain}` : plain;
  return fitted(named, "");
}

/** Puts the suffix before the extension and cuts the part before it until the segment has at most 255 bytes. */
function fitted(segment: string, suffix: string): string {
  const dot = segment.lastIndexOf(".");
  const hasExtension = dot > 0 && Buffer.byteLength(segment.slice(dot)) <= extensionBytesMax;
  const extension = hasExtension ? segment.slice(dot) : "";
  const stem = hasExtension ? segment.slice(0, dot) : segment;
  const room = segmentBytesMax - Buffer.byteLength(suffix) - Buffer.byteLength(extension);
  const cut = cutBytes(stem, room);
  return trimEnd(cut + suffix + extension);
}

function cutBytes(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const bytes = Buffer.from(text);
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

/** Windows drops dots and spaces at the end of a name without a word. */
function trimEnd(segment: string): string {
  return segment.replace(/[. ]+$/, "") || "_";
}
