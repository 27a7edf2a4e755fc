import { AirlockError } from "./errors.ts";
import { openPath } from "./files.ts";

/**
 * One input file, placed at `path` below `/workspace`. Its bytes come from exactly one of `content`
 * (text), `bytes`, and `from`: a Blob, or a path on this machine (Node only), which is streamed and
 * keeps its execute permission.
 */
export interface InputSource {
  path: string;
  content?: string;
  bytes?: Uint8Array;
  from?: string | Blob;
  /** The bytes must have this digest (`sha256:` and 64 hex digits). */
  sha256?: string;
  executable?: boolean;
}

/** Inputs by their places in `files` of a submission, and the parts that carry what is too large for JSON, by slot. */
export interface PreparedFiles {
  files: Map<number, Record<string, unknown>>;
  parts: Map<string, Blob>;
}

/**
 * What all inline inputs of one submission may weigh together. Above it, inputs travel as parts of
 * their own.
 */
const inlineBytesMax = 64 * 1024;

/**
 * Decides for every input whether it travels inside the JSON or beside it. Opens files, but reads
 * none.
 */
export async function prepareFiles(
  sources: ReadonlyMap<number, InputSource>,
): Promise<PreparedFiles> {
  const prepared: PreparedFiles = { files: new Map(), parts: new Map() };
  let inlineBytes = 0;
  for (const [index, source] of sources) {
    const { content, bytes, from, ...rest } = source;
    const field = `files[${index}]`;
    if ([content, bytes, from].filter((given) => given !== undefined).length !== 1) {
      throw invalid(field, "must have exactly one of content, bytes and from");
    }
    const weight = content === undefined ? bytes?.length : new TextEncoder().encode(content).length;
    if (weight !== undefined && inlineBytes + weight <= inlineBytesMax) {
      inlineBytes += weight;
      const inline = bytes ? { contentBase64: base64(bytes) } : { content };
      prepared.files.set(index, { ...rest, ...inline });
      continue;
    }
    const slot = `f${index}`;
    const opened =
      typeof from === "string"
        ? await openPath(from, `${field}.from`)
        : { blob: from ?? new Blob([content ?? copy(bytes)]), executable: false };
    if (!(opened.blob instanceof Blob)) throw invalid(`${field}.from`, "must be a path or a Blob");
    prepared.parts.set(slot, opened.blob);
    const mode = opened.executable ? { executable: true } : {};
    prepared.files.set(index, { ...mode, ...rest, slot });
  }
  return prepared;
}

function invalid(field: string, message: string): AirlockError {
  return new AirlockError({
    code: "invalid_request",
    message: `${field} ${message}`,
    details: { fields: [{ path: field, message }] },
  });
}

/** A Blob keeps a view of a plain buffer only; a shared one is copied. */
function copy(bytes: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes ?? []);
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
