import { Readable } from "node:stream";
import { ZipFile } from "yazl";
import { assert } from "../base/assert.ts";
import { addToZip, type Blobs, nameOutputs } from "../content/content.ts";
import type { Artifact, ArtifactFile } from "../contract/artifact.ts";
import { ofFile } from "./sound.ts";

/**
 * The files of an artifact as one zip: `files/<name>` and `manifest.json`, which says what the artifact is and where each
 * of its files lies in the zip: a name that some system would read as another place, or as the name of another file, is
 * written in another way there. Layers are named in the manifest and are not in the zip. The same artifact gives the same bytes.
 * Fails before the first byte with `digest_mismatch`, naming the file, when one is damaged or gone.
 */
export async function exportZip(
  artifact: Artifact,
  blobs: Blobs,
  signal?: AbortSignal,
): Promise<Readable> {
  for (const file of artifact.files) {
    await ofFile(artifact, file, blobs.check(file.sha256, signal));
  }
  const zip = new ZipFile();
  const archive = zip.outputStream;
  assert(archive instanceof Readable, "a zip is written to a stream that can be destroyed");
  const closing = new AbortController();
  archive.once("close", () => closing.abort());
  // Whoever reads is told by the stream itself; a failure before anybody reads must not end the process.
  archive.on("error", () => closing.abort());
  const fail = (error: Error) => archive.destroy(error);
  zip.once("error", fail);
  fill(zip, artifact, blobs, closing.signal).catch(fail);
  return archive;
}

/** Two exports of one artifact are one and the same. */
const mtime = new Date(Date.UTC(2000, 0, 1));

async function fill(
  zip: ZipFile,
  { id, digest, kind, files, entrypoints, layers }: Artifact,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<void> {
  const places = files.map(({ name }) => ({ path: name, relative: name, dir: "" }));
  const names = nameOutputs(places, false, new Map());
  const pathOf = ({ name }: ArtifactFile) => `files/${names.get(name) ?? name}`;
  for (const file of files) {
    const { stream } = await blobs.read(file.sha256);
    const mode = file.executable ? 0o100755 : 0o100644;
    await addToZip(zip, stream, pathOf(file), { mtime, mode, size: file.bytes }, signal);
  }
  const listed = files.map((file) => ({ path: pathOf(file), ...file }));
  const manifest = { id, digest, kind, files: listed, entrypoints, layers };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  zip.addBuffer(Buffer.from(text), "manifest.json", { mtime, mode: 0o100644 });
  zip.end();
}
