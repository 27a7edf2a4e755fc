import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** An archive on disk, read by ranges and never written. */
export interface ArchiveFile {
  bytes: number;
  /** What is there of a range: less than asked for behind the end of the file. */
  read(offset: number, bytes: number): Promise<Buffer>;
  /** A range in pieces, as far as the file goes. */
  pieces(offset: number, bytes: number): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

const pieceBytes = 256 * 1024;

/** Throws what the system says when it cannot be opened, and an error for what is no regular file. */
export async function openArchiveFile(
  path: string,
  onRead: (bytes: number) => void,
): Promise<ArchiveFile> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error("it is not a regular file");
    const read = async (offset: number, bytes: number) => {
      const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(bytes, stat.size - offset)));
      let at = 0;
      while (at < buffer.length) {
        const { bytesRead } = await file.read(buffer, at, buffer.length - at, offset + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      onRead(at);
      return buffer.subarray(0, at);
    };
    return {
      bytes: stat.size,
      read,
      async *pieces(offset, bytes) {
        for (let at = 0; at < bytes; ) {
          const piece = await read(offset + at, Math.min(pieceBytes, bytes - at));
          if (piece.length === 0) return;
          at += piece.length;
          yield piece;
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
