import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import type { InputFile, PlacedFile } from "../contract/submission.ts";
import type { Blobs } from "./content.ts";

/** What came as parts of a request, `file:<slot>` and others, by their names, already stored. */
export type Uploads = ReadonlyMap<string, { sha256: string; bytes: number }>;

/**
 * Stores what came inline, finds what came as a part, and checks each digest that was promised. Files come back by path.
 * Errors: `invalid_request` that names the file, `payload_too_large`, `storage_full`.
 */
export async function placeFiles(
  blobs: Blobs,
  files: readonly InputFile[],
  uploads: Uploads,
): Promise<PlacedFile[]> {
  checkPaths(files);
  const placed: PlacedFile[] = [];
  for (const [index, file] of files.entries()) {
    const stored = await bytesOf(blobs, file, index, uploads);
    if (file.sha256 !== undefined && file.sha256 !== stored.sha256) {
      throw wrongFile(index, "sha256", `the bytes have the digest ${stored.sha256}`);
    }
    placed.push({ path: file.path, executable: file.executable ?? false, ...stored });
  }
  const total = placed.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > limits.inputTotalBytes) {
    throw new Problem(
      "payload_too_large",
      `files: ${total} bytes together; expected at most ${limits.inputTotalBytes}`,
    );
  }
  return placed.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function bytesOf(
  blobs: Blobs,
  file: InputFile,
  index: number,
  uploads: Uploads,
): Promise<{ sha256: string; bytes: number }> {
  if (file.slot !== undefined) {
    const upload = uploads.get(`file:${file.slot}`);
    if (upload === undefined) {
      throw wrongFile(index, "slot", `there is no part "file:${file.slot}" in this request`);
    }
    return { sha256: upload.sha256, bytes: upload.bytes };
  }
  const bytes =
    file.content === undefined
      ? Buffer.from(file.contentBase64 ?? "", "base64")
      : Buffer.from(file.content, "utf8");
  if (bytes.length > limits.inlineFileBytes) {
    throw new Problem(
      "payload_too_large",
      `files[${index}]: ${bytes.length} bytes inline; expected at most ${limits.inlineFileBytes}: send it as a part`,
    );
  }
  return blobs.put(bytes);
}

/** Two files cannot be in one place, and a file cannot be the directory of another. */
function checkPaths(files: readonly InputFile[]): void {
  const seen = new Set<string>();
  for (const [index, { path }] of files.entries()) {
    if (seen.has(path)) throw wrongFile(index, "path", `${path} is there twice`);
    seen.add(path);
  }
  for (const [index, { path }] of files.entries()) {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join("/");
      if (seen.has(parent)) {
        throw wrongFile(index, "path", `${path} is below ${parent}, which is a file`);
      }
    }
  }
}

function wrongFile(index: number, field: string, message: string): Problem {
  const path = `files[${index}].${field}`;
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
