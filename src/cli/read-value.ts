import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CliError, usage } from "./exit.ts";

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
      return await readAll(stdin);
    },
  };
}

/** A text file that a flag names. */
export async function readTextFile(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
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

async function readAll(stdin: Readable): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    const chunk = Buffer.from(part as Uint8Array | string);
    bytes += chunk.length;
    if (bytes > stdinBytesMax) throw usage(`Stdin holds more than ${stdinBytesMax} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}
