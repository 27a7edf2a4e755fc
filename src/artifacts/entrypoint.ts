import { extname } from "node:path/posix";

/** How an entrypoint is started: by the kernel, or by a program that its name calls for. */
export type EntrypointStart = { ok: true; words: string[] } | { ok: false; message: string };

const byExtension: Record<string, string[]> = {
  ".py": ["python3"],
  ".js": ["node"],
  ".mjs": ["node"],
  ".cjs": ["node"],
  ".sh": ["sh"],
};
const elf = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/**
 * The words that start the entrypoint `path` of a sandbox, whose first bytes are `head`. A first line that names an
 * interpreter (`#!`) or a program for Linux counts; without either the extension of its name does.
 */
export function entrypointStart(path: string, head: Buffer): EntrypointStart {
  if (head.subarray(0, 2).toString("latin1") === "#!") return { ok: true, words: [path] };
  if (head.subarray(0, 4).equals(elf)) return { ok: true, words: [path] };
  const extension = extname(path);
  const interpreter = byExtension[extension];
  if (interpreter !== undefined) return { ok: true, words: [...interpreter, path] };
  const known = Object.keys(byExtension).join(", ");
  return {
    ok: false,
    message: `The entrypoint ${JSON.stringify(path)} cannot be started: expected a first line like #!/usr/bin/env python3, or a name that ends in ${known}`,
  };
}
