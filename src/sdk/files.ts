import { AirlockError } from "./errors.ts";

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
  const temporary = `${path}.${crypto.randomUUID()}.part`;
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
