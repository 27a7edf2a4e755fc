import { bundleLimits } from "../contract/bundle.ts";
import { SkillBundleValidationError } from "./bundle-error.ts";
import { AirlockError } from "./errors.ts";
import { fewAtOnce } from "./few-at-once.ts";
import type { ZipFile } from "./zip.ts";

/** What was written, and where. */
export interface SavedFile {
  path: string;
  bytes: number;
}

/**
 * The only file of the client that touches the disk. Node's modules are loaded when they are
 * needed, so that the rest runs in a browser.
 */
export async function openPath(
  path: string,
  field: string,
): Promise<{ blob: Blob; executable: boolean }> {
  const fs = await nodeFs(field);
  try {
    const stat = await fs.promises.stat(path);
    if (!stat.isFile()) throw new Error("it is not a regular file");
    return { blob: await fs.openAsBlob(path), executable: (stat.mode & 0o100) !== 0 };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AirlockError({
      code: "file_unreadable",
      message: `${field}: cannot read ${JSON.stringify(path)}: ${reason}`,
      cause: error,
    });
  }
}

/**
 * Streams `source` to `path`. The bytes go to a temporary name first, so that `path` never holds
 * half a file: a broken connection leaves what was there before. A device or a pipe is written to as
 * it is: to put a file in the place of `/dev/null` would break the machine.
 */
export async function saveTo(path: string, source: AsyncIterable<Uint8Array>): Promise<SavedFile> {
  const fs = await nodeFs("to");
  const { dirname, join } = await import("node:path");
  // Not behind the name: that may be as long as a name can be.
  const temporary = join(dirname(path), `.${crypto.randomUUID()}.part`);
  let bytes = 0;
  const write = async (target: string, flags: string) => {
    const file = await fs.promises.open(target, flags);
    try {
      for await (const chunk of source) {
        await file.writeFile(chunk);
        bytes += chunk.length;
      }
      if (target === temporary) await file.sync();
    } finally {
      await file.close();
    }
  };
  try {
    if (await isSpecial(fs, path)) await write(path, "w");
    else {
      await write(temporary, "wx");
      await fs.promises.rename(temporary, path);
    }
  } catch (error) {
    await fs.promises.rm(temporary, { force: true });
    if (error instanceof AirlockError || !isSystemError(error)) throw error;
    throw new AirlockError({
      code: "file_unwritable",
      message: `to: cannot write ${JSON.stringify(path)}: ${error.message}`,
      cause: error,
    });
  }
  return { path, bytes };
}

/** What tools leave in a folder, and nobody means to send. */
const leftBehind = ["node_modules", "__pycache__"];
const folderEntriesMax = 1_000;

/**
 * Every file below a directory, in order of their paths, with where it is. What is hidden (its name begins with a dot) and
 * what tools leave behind is left out; a link is refused, because what it leads to is not in the directory.
 */
export async function listFolder(
  dir: string,
  field: string,
): Promise<{ path: string; at: string }[]> {
  const fs = await nodeFs(field);
  const found: { path: string; at: string }[] = [];
  const refuse = (message: string, cause?: unknown) =>
    new AirlockError({ code: "file_unreadable", message: `${field}: ${message}`, cause });
  const walk = async (inside: string): Promise<void> => {
    const place = inside === "" ? dir : `${dir}/${inside}`;
    for (const entry of await fs.promises.readdir(place, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || leftBehind.includes(entry.name)) continue;
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      const at = `${dir}/${path}`;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push({ path, at });
      else
        throw refuse(
          `${JSON.stringify(at)} is no regular file; copy what is meant into the folder`,
        );
      if (found.length > folderEntriesMax) {
        throw refuse(`${JSON.stringify(dir)} has more than ${folderEntriesMax} files`);
      }
    }
  };
  try {
    await walk("");
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw refuse(`cannot read ${JSON.stringify(dir)}: ${error.message}`, error);
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What belongs to tools and systems, and to no bundle. Everything else is meant, hidden files as well. */
const notMeant = [...[".git", ".hg", ".svn", ".DS_Store", "Thumbs.db"], ...leftBehind];
const readsAtOnce = 16;

/** Whether there is a directory at the path; throws when there is nothing. */
export async function isFolder(path: string, field: string): Promise<boolean> {
  const fs = await nodeFs(field);
  return reading(field, path, async () => (await fs.promises.stat(path)).isDirectory());
}

/**
 * The files below a directory with their bytes, for the bundle `what`. Links, and whatever is no regular file, are left out:
 * what they lead to is not in the directory. Stops before it reads more than a bundle may have.
 */
export async function readFolder(dir: string, field: string, what: string): Promise<ZipFile[]> {
  const fs = await nodeFs(field);
  const found: string[] = [];
  const walk = async (inside: string): Promise<void> => {
    for (const entry of await fs.promises.readdir(`${dir}/${inside}`, { withFileTypes: true })) {
      if (notMeant.includes(entry.name)) continue;
      if (entry.isDirectory()) await walk(`${inside}${entry.name}/`);
      else if (entry.isFile()) found.push(`${inside}${entry.name}`);
      if (found.length > bundleLimits.files) {
        const message = `has more than ${bundleLimits.files} files in ${JSON.stringify(dir)}`;
        throw new SkillBundleValidationError(what, [{ path: null, message }]);
      }
    }
  };
  await reading(field, dir, () => walk(""));
  const total = { bytes: 0 };
  return fewAtOnce(found, readsAtOnce, (path) =>
    readFile(`${dir}/${path}`, path, { field, what, total }),
  );
}

/** One file with its bytes, under its own name, for the bundle `what`. */
export async function readOneFile(path: string, field: string, what: string): Promise<ZipFile> {
  const fs = await nodeFs(field);
  // Before it is opened: opening a pipe waits for somebody to write, and a device has no end.
  await reading(field, path, async () => {
    if ((await fs.promises.stat(path)).isFile()) return;
    const message = `${field}: cannot read ${JSON.stringify(path)}: it is not a regular file`;
    throw new AirlockError({ code: "file_unreadable", message });
  });
  const name = path.split(/[\\/]/).at(-1) ?? path;
  return readFile(path, name, { field, what, total: { bytes: 0 } });
}

/** `total` is shared by the files of a bundle: none is read whose bytes would be too many. */
async function readFile(
  at: string,
  path: string,
  { field, what, total }: { field: string; what: string; total: { bytes: number } },
): Promise<ZipFile> {
  const fs = await nodeFs(field);
  return reading(field, at, async () => {
    const file = await fs.promises.open(at, "r");
    try {
      const { mode, size } = await file.stat();
      total.bytes += size;
      if (total.bytes > bundleLimits.bytes) {
        const message = `has more than ${bundleLimits.bytes} bytes, with ${JSON.stringify(at)}`;
        throw new SkillBundleValidationError(what, [{ path: null, message }]);
      }
      const bytes = await file.readFile();
      return { path, mode: (mode & 0o100) === 0 ? 0o644 : 0o755, bytes };
    } finally {
      await file.close();
    }
  });
}

async function reading<T>(field: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AirlockError || !isSystemError(error)) throw error;
    throw new AirlockError({
      code: "file_unreadable",
      message: `${field}: cannot read ${JSON.stringify(path)}: ${error.message}`,
      cause: error,
    });
  }
}

/** Whether something is there that is neither a file nor a directory. */
async function isSpecial(fs: typeof import("node:fs"), path: string): Promise<boolean> {
  try {
    const stat = await fs.promises.stat(path);
    return !stat.isFile() && !stat.isDirectory();
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return false;
    throw error;
  }
}

async function nodeFs(field: string): Promise<typeof import("node:fs")> {
  try {
    return await import("node:fs");
  } catch (error) {
    throw new AirlockError({
      code: "no_file_system",
      message: `${field}: a path needs a file system, and there is none here; use a Blob or bytes`,
      cause: error,
    });
  }
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
