import {
  type BundleEntry,
  type BundleKind,
  type BundleProblem,
  bundleLimits,
  bundleManifest,
  bundleProblems,
  sortByPath,
} from "../contract/bundle.ts";
import { SkillBundleValidationError } from "./bundle-error.ts";
import { AirlockError } from "./errors.ts";
import { fewAtOnce } from "./few-at-once.ts";
import { packZip, storedZipBytes, type ZipFile } from "./zip.ts";

/** One file of a bundle: text, which is kept as UTF-8, or bytes; executable ones have mode 0755, all others 0644. */
export type BundleContent =
  | string
  | Uint8Array
  | { content: string | Uint8Array; executable?: boolean };

/** Files by their paths in the bundle, with `/` between segments. */
export type BundleFiles = Readonly<Record<string, BundleContent>>;

/** Files that were checked and named by what is in them. Its bytes are its own: nobody else can change them. */
export interface Bundle {
  readonly kind: BundleKind;
  readonly contentHash: string;
  readonly entries: readonly BundleEntry[];
  /** As it travels; packed at the first call. */
  zip(): Promise<Blob>;
}

const hashesAtOnce = 16;

/** The files of a map, copied. Throws a `SkillBundleValidationError` for what is neither text nor bytes. */
export function filesOf(what: string, map: BundleFiles): ZipFile[] {
  if (typeof map !== "object" || map === null) {
    const message = `${what}: files must be an object of paths and contents`;
    throw new AirlockError({ code: "invalid_request", message });
  }
  const problems: BundleProblem[] = [];
  const files = Object.entries(map).map(([path, given]): ZipFile => {
    const isPlain = typeof given === "string" || isBytes(given);
    const { content, executable = false } = isPlain ? { content: given } : (given ?? {});
    const wrong = contentProblem(content, executable);
    if (wrong !== undefined) problems.push({ path, message: wrong });
    return { path, mode: executable === true ? 0o755 : 0o644, bytes: bytesOf(content) };
  });
  if (problems.length > 0) throw new SkillBundleValidationError(what, problems);
  return files;
}

function contentProblem(content: unknown, executable: unknown): string | undefined {
  if (typeof executable !== "boolean") return "has an executable that is neither true nor false";
  if (isBytes(content)) return undefined;
  if (typeof content !== "string") {
    return "must be text, a Uint8Array, or { content, executable } with one of them";
  }
  // The encoder would put another character in its place, without a word.
  return content.isWellFormed() ? undefined : "holds half of a character; expected text or bytes";
}

/** Also of another realm, where `instanceof` says no. */
function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === "[object Uint8Array]";
}

function bytesOf(content: unknown): Uint8Array<ArrayBuffer> {
  if (typeof content === "string") return new TextEncoder().encode(content);
  return isBytes(content) ? new Uint8Array(content) : new Uint8Array();
}

/**
 * Checks files by the rules of their kind and computes their `contentHash`. It depends on paths, modes and bytes, and on
 * nothing else: not on order, time, zone or compressor. Throws a `SkillBundleValidationError`; `what` is the bundle in it.
 */
export async function buildBundle(
  kind: BundleKind,
  what: string,
  files: readonly ZipFile[],
): Promise<Bundle> {
  const sized = files.map(({ path, bytes }) => ({ path, size: bytes.length }));
  const problems = bundleProblems(kind, sized);
  if (problems.length > 0) throw new SkillBundleValidationError(what, problems);
  const hashed = await fewAtOnce(files, hashesAtOnce, async ({ path, mode, bytes }) => ({
    ...{ path, mode, size: bytes.length, sha256: await sha256(bytes) },
  }));
  const manifest = bundleManifest(hashed);
  const sorted = sortByPath(files);
  let packed: Promise<Blob> | undefined;
  const zip = () => {
    packed ??= packWithin(what, sorted);
    return packed;
  };
  // Only what cannot be too large is packed later: what is refused is refused here, and what is unchanged is never packed.
  if (storedZipBytes(sorted) > bundleLimits.packedBytes) await zip();
  const contentHash = await sha256(new TextEncoder().encode(manifest));
  return { kind, contentHash, entries: sortByPath(hashed), zip };
}

async function packWithin(what: string, files: readonly ZipFile[]): Promise<Blob> {
  const zip = await packZip(files);
  const { packedBytes } = bundleLimits;
  if (zip.size <= packedBytes) return zip;
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  const message = `has ${zip.size} bytes when packed, of ${bytes}; expected at most ${packedBytes}`;
  throw new SkillBundleValidationError(what, [{ path: null, message }]);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    const message =
      "crypto.subtle is missing, which names bundles: a page has it when it is served by https, or from localhost";
    throw new AirlockError({ code: "no_crypto", message });
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  let hex = "";
  for (const byte of digest) hex += byte.toString(16).padStart(2, "0");
  return `sha256:${hex}`;
}
