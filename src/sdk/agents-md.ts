import { type AgentsMdRecord, agentsFile } from "../contract/bundle.ts";
import type { AgentsMdRef } from "../contract/bundle-ref.ts";
import { buildBundle, filesOf } from "./bundle.ts";
import { idGiven, invalid, nameFromPath, nameGiven, optionsOf, pathGiven } from "./bundle-name.ts";
import {
  type BundleState,
  openBundleState,
  type StateParts,
  type UploadsOf,
  unstagedSlot,
} from "./bundle-state.ts";
import { readOneFile } from "./files.ts";
import type { Signal } from "./transport.ts";

const factories = "AgentsMd.fromContent or AgentsMd.fromPath";

/** Only the factories below have it. */
const inside = Symbol("inside");
let make: (state: BundleState<"AgentsMd">) => AgentsMd;
let stateOf: (value: object) => BundleState<"AgentsMd"> | undefined;

/**
 * Instructions for a run, as an `AGENTS.md` has them: said to the model before the prompt. It is used as a `Skill` is: given
 * to any number of submissions until it is uploaded, and consumed by that.
 */
export class AgentsMd {
  readonly #state: BundleState<"AgentsMd">;

  private constructor(key: symbol, state: BundleState<"AgentsMd">) {
    if (key !== inside) {
      throw invalid(
        `AgentsMd has no constructor: use ${factories}, AgentsMd.fromId or AgentsMd.inline`,
      );
    }
    this.#state = state;
  }

  /** Instructions of the workspace by their id, `amd_…`. Whether they are there is seen when they are used. */
  static fromId(id: string): AgentsMd {
    return made({ ref: { kind: "workspace", id: idGiven("AgentsMd.fromId", id) } });
  }

  /** Instructions that are sent inside the submission. */
  static inline(options: { name: string; content: string }): AgentsMd {
    const { name, content } = optionsOf("AgentsMd.inline", options);
    const good = nameGiven("AgentsMd.inline", name);
    return made({
      ref: { kind: "inline", name: good, content: textGiven("AgentsMd.inline", content) },
    });
  }

  static async fromContent(content: string, options: { name: string }): Promise<AgentsMd> {
    const where = "AgentsMd.fromContent";
    const { name } = optionsOf(where, options);
    return built(nameGiven(where, name), textGiven(where, content));
  }

  /** The text of a file (Node only), UTF-8. Without a name it has that of the file. */
  static async fromPath(path: string, options: { name?: string } = {}): Promise<AgentsMd> {
    const where = "AgentsMd.fromPath";
    const from = pathGiven(where, path);
    const { name } = optionsOf(where, options);
    const good = name === undefined ? nameFromPath(where, from, true) : nameGiven(where, name);
    const { bytes } = await readOneFile(from, where, called(good));
    return built(good, textGiven(where, utf8(where, from, bytes)));
  }

  /** As it is submitted. Of one that was built here `slot` is `(unstaged)`: a submission puts its own in its place. */
  get ref(): AgentsMdRef {
    return this.#state.ref;
  }
  /** What the workspace says of it: only of one that was just uploaded or found. */
  get record(): AgentsMdRecord | undefined {
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
  get isWorkspace(): boolean {
    return this.ref.kind === "workspace";
  }
  get isInline(): boolean {
    return this.ref.kind === "inline";
  }
  /** It was built here, and may be consumed. */
  get isTransient(): boolean {
    return this.ref.kind === "transient";
  }
  /** It was built here and can be used and uploaded. */
  get isUnstaged(): boolean {
    return this.#state.isUnstaged;
  }
  /** It was uploaded: the `AgentsMd` that the upload returned takes its place. */
  get isConsumed(): boolean {
    return this.#state.isConsumed;
  }

  /** Makes it one of the workspace and returns that one; see `Skill.upload`. */
  async upload(client: UploadsOf<"AgentsMd">, options: Signal = {}): Promise<AgentsMd> {
    return kept(await this.#state.upload(client, options));
  }

  /** As `upload`, but sends no bytes when the workspace has the same; see `Skill.uploadIfChanged`. */
  async uploadIfChanged(client: UploadsOf<"AgentsMd">, options: Signal = {}): Promise<AgentsMd> {
    return kept(await this.#state.uploadIfChanged(client, options));
  }

  /** Its `ref`. Throws for one whose bytes would be lost, and for a consumed one. */
  toJSON(): AgentsMdRef {
    return this.#state.toJSON();
  }

  static {
    make = (state) => new AgentsMd(inside, state);
    stateOf = (value) => (#state in value ? value.#state : undefined);
  }
}

const called = (name: string) => `AgentsMd ${JSON.stringify(name)}`;

function textGiven(where: string, text: unknown): string {
  if (typeof text === "string" && text.trim() !== "") return text;
  throw invalid(`${where}: content must be text that is not blank`);
}

/** Exactly the text that the bytes are, a byte order mark included: its hash is that of the file. */
function utf8(where: string, path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalid(`${where}: ${JSON.stringify(path)} is not UTF-8 text`);
  }
}

type Parts = Omit<StateParts<"AgentsMd">, "noun" | "field" | "factories">;

function made(parts: Parts): AgentsMd {
  return make(openBundleState({ noun: "AgentsMd", field: "agentsMd", factories, ...parts }));
}

function kept(record: AgentsMdRecord): AgentsMd {
  return made({ ref: { kind: "workspace", id: record.id }, record });
}

async function built(name: string, text: string): Promise<AgentsMd> {
  const files = filesOf(called(name), { [agentsFile]: text });
  const bundle = await buildBundle("agents_md", called(name), files);
  const { contentHash } = bundle;
  return made({ ref: { kind: "transient", slot: unstagedSlot, name, contentHash }, bundle });
}

/** What it is inside, or nothing for what is no `AgentsMd`. */
export function agentsMdState(value: unknown): BundleState<"AgentsMd"> | undefined {
  return typeof value === "object" && value !== null ? stateOf(value) : undefined;
}
