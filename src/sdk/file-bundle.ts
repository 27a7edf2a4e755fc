import type { FileRecord } from "../contract/bundle.ts";
import type { FileRef } from "../contract/bundle-ref.ts";
import { buildBundle, filesOf } from "./bundle.ts";
import { idGiven, invalid, nameFromPath, nameGiven, optionsOf, pathGiven } from "./bundle-name.ts";
import {
  type BundleState,
  openBundleState,
  type StateParts,
  type UploadsOf,
  unstagedSlot,
} from "./bundle-state.ts";
import { isFolder, readFolder, readOneFile } from "./files.ts";
import type { Signal } from "./transport.ts";
import type { ZipFile } from "./zip.ts";

const factories = "File.fromBytes or File.fromPath";

/** Only the factories below have it. */
const inside = Symbol("inside");
let make: (state: BundleState<"File">) => File;
let stateOf: (value: object) => BundleState<"File"> | undefined;

/**
 * A file, or a directory of files, that is mounted read-only in a run: at `/airlock/files/<name>/`, or at `mountPath`, which
 * is below `/opt`, `/deps`, `/tmp` or `/workspace`. It is used as a `Skill` is: given to any number of submissions until it
 * is uploaded, and consumed by that. It has the name that the platform's own `File` has; import it under another one where
 * both are needed.
 */
export class File {
  readonly #state: BundleState<"File">;

  private constructor(key: symbol, state: BundleState<"File">) {
    if (key !== inside) throw invalid(`File has no constructor: use ${factories}, or File.fromId`);
    this.#state = state;
  }

  /** Files of the workspace by their id, `fil_…`. Whether they are there is seen when they are used. */
  static fromId(id: string, options: { mountPath?: string } = {}): File {
    const { mountPath } = optionsOf("File.fromId", options);
    const ref = { kind: "workspace", id: idGiven("File.fromId", id) } as const;
    return made({ ref: mounted(ref, mountPath) });
  }

  /** One file. In its directory it is called `filename`, or as `name` says. */
  static async fromBytes(options: {
    name: string;
    bytes: Uint8Array | string;
    filename?: string;
    executable?: boolean;
    mountPath?: string;
  }): Promise<File> {
    const where = "File.fromBytes";
    const { name, bytes, filename, executable = false, mountPath } = optionsOf(where, options);
    const good = nameGiven(where, name);
    const files = filesOf(called(good), { [filename ?? good]: { content: bytes, executable } });
    return built(good, notEmpty(where, files), mountPath);
  }

  /**
   * A file, under its own name, or all files below a directory, by the rules of `Skill.fromPath` (Node only). Without a name
   * it has that of the path.
   */
  static async fromPath(
    path: string,
    options: { name?: string; mountPath?: string } = {},
  ): Promise<File> {
    const where = "File.fromPath";
    const from = pathGiven(where, path);
    const { name, mountPath } = optionsOf(where, options);
    const isDirectory = await isFolder(from, where);
    const good =
      name === undefined ? nameFromPath(where, from, !isDirectory) : nameGiven(where, name);
    const what = called(good);
    if (isDirectory) return built(good, await readFolder(from, where, what), mountPath);
    return built(good, notEmpty(where, [await readOneFile(from, where, what)]), mountPath);
  }

  /** As it is submitted. Of one that was built here `slot` is `(unstaged)`: a submission puts its own in its place. */
  get ref(): FileRef {
    return this.#state.ref;
  }
  /** What the workspace says of it: only of one that was just uploaded or found. */
  get record(): FileRecord | undefined {
    return this.#state.record;
  }
  /** Nothing for one that is known by an id only. */
  get name(): string | undefined {
    return this.#state.name;
  }
  /** `sha256:` and 64 hex digits; nothing for one that is known by an id only. */
  get contentHash(): string | undefined {
    return this.#state.contentHash;
  }
  /** Where it is mounted, when not at `/airlock/files/<name>`. */
  get mountPath(): string | undefined {
    return this.ref.mountPath;
  }
  get isWorkspace(): boolean {
    return this.ref.kind === "workspace";
  }
  /** It was built here, and may be consumed. */
  get isTransient(): boolean {
    return this.ref.kind === "transient";
  }
  /** It was built here and can be used and uploaded. */
  get isUnstaged(): boolean {
    return this.#state.isUnstaged;
  }
  /** It was uploaded: the `File` that the upload returned takes its place. */
  get isConsumed(): boolean {
    return this.#state.isConsumed;
  }

  /** Makes it one of the workspace and returns that one, with the same `mountPath`; see `Skill.upload`. */
  async upload(client: UploadsOf<"File">, options: Signal = {}): Promise<File> {
    return kept(await this.#state.upload(client, options), this.mountPath);
  }

  /** As `upload`, but sends no bytes when the workspace has the same; see `Skill.uploadIfChanged`. */
  async uploadIfChanged(client: UploadsOf<"File">, options: Signal = {}): Promise<File> {
    return kept(await this.#state.uploadIfChanged(client, options), this.mountPath);
  }

  /** Its `ref`. Throws for one whose bytes would be lost, and for a consumed one. */
  toJSON(): FileRef {
    return this.#state.toJSON();
  }

  static {
    make = (state) => new File(inside, state);
    stateOf = (value) => (#state in value ? value.#state : undefined);
  }
}

const called = (name: string) => `File ${JSON.stringify(name)}`;

function mounted<Ref extends object>(ref: Ref, mountPath: string | undefined): Ref {
  return mountPath === undefined ? ref : { ...ref, mountPath };
}

function notEmpty(where: string, files: readonly ZipFile[]): readonly ZipFile[] {
  if (files.every(({ bytes }) => bytes.length > 0)) return files;
  throw invalid(`${where}: the file is empty; expected at least one byte`);
}

type Parts = Omit<StateParts<"File">, "noun" | "field" | "factories">;

function made(parts: Parts): File {
  return make(openBundleState({ noun: "File", field: "files", factories, ...parts }));
}

function kept(record: FileRecord, mountPath: string | undefined): File {
  return made({ ref: mounted({ kind: "workspace", id: record.id }, mountPath), record });
}

async function built(
  name: string,
  files: readonly ZipFile[],
  mountPath: string | undefined,
): Promise<File> {
  const bundle = await buildBundle("file", called(name), files);
  const { contentHash } = bundle;
  const ref = { kind: "transient", slot: unstagedSlot, name, contentHash } as const;
  return made({ ref: mounted(ref, mountPath), bundle });
}

/** What it is inside, or nothing for what is no `File`. */
export function fileState(value: unknown): BundleState<"File"> | undefined {
  return typeof value === "object" && value !== null ? stateOf(value) : undefined;
}
