import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import yauzl from "yauzl";

/** A file that came out of an archive: its name below `outputs/`, where it is now, and its size. */
export interface Unpacked {
  name: string;
  path: string;
  bytes: number;
}

/**
 * Writes the `outputs/` of an archive below a directory. yauzl refuses absolute names and names that climb, so nothing
 * is written anywhere else.
 */
export async function unpackOutputs(zipPath: string, dir: string): Promise<Unpacked[]> {
  const zip = await yauzl.openPromise(zipPath, { lazyEntries: true });
  const files: Unpacked[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.startsWith("outputs/") || entry.fileName.endsWith("/")) continue;
      const path = join(dir, entry.fileName);
      await mkdir(dirname(path), { recursive: true });
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path));
      const name = entry.fileName.slice("outputs/".length);
      files.push({ name, path, bytes: entry.uncompressedSize });
    }
  } finally {
    zip.close();
  }
  return files;
}
