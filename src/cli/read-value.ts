import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CliError, usage } from "./exit.ts";
import { readStdin } from "./read-stdin.ts";

const stdinBytesMax = 16 * 1024 * 1024;

export interface ValueReader {
  /** `@file` is the file's text, `-` is stdin, `@@x` is the text `@x`, anything else is itself. */
  read(flag: string, text: string): Promise<string>;
}

/**
 * Reads option values that need not be typed in full: what is on a command line can be seen by
 * everybody in `ps`.
 */
export function openValueReader(stdin: Readable): ValueReader {
  let stdinFlag: string | undefined;
  return {
    async read(flag, text) {
      if (text.startsWith("@@")) return text.slice(1);
      if (text.startsWith("@")) return await readTextFile(flag, text.slice(1));
      if (text !== "-") return text;
      if (stdinFlag !== undefined) {
        throw usage(`Both ${stdinFlag} and ${flag} want to read stdin, and there is only one`);
      }
      stdinFlag = flag;
      return (await readStdin(stdin, stdinBytesMax)).toString("utf8");
    },
  };
}

/** A text file that a flag names. */
export async function readTextFile(flag: string, path: string): Promise<string> {
  return (await readBytes(flag, path)).toString("utf8");
}

/** The same, and refused when it is not text: a key of which bytes were replaced opens nothing. */
export async function readSecretFile(flag: string, path: string): Promise<string> {
  const bytes = await readBytes(flag, path);
  if (!isUtf8(bytes)) {
    throw usage(`${flag}: ${path} is not text in UTF-8`, "Encode it first, as base64 perhaps");
  }
  return bytes.toString("utf8");
}

/** A file of a bundle, as it is, with its permission to be executed. */
export async function readBundleFile(
  flag: string,
  path: string,
): Promise<{ content: Uint8Array; executable: boolean }> {
  const content = await readBytes(flag, path);
  return { content, executable: ((await stat(path)).mode & 0o100) !== 0 };
}

async function readBytes(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("file_unreadable", `${flag}: cannot read the file: ${reason}`);
  }
}

/** A JSON object in a file that a flag names. */
export async function readJsonFile(flag: string, path: string): Promise<Record<string, unknown>> {
  const text = await readTextFile(flag, path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the text, and a configuration may hold keys.
    throw usage(`${flag}: ${path} is not JSON${position(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usage(`${flag}: ${path} must hold a JSON object`);
  }
  return value as Record<string, unknown>;
}

function position(error: unknown): string {
  const found = /line (\d+) column (\d+)/.exec(String(error));
  return found ? `, at line ${found[1]}, column ${found[2]}` : "";
}
