import type { SkillRecord } from "../contract/bundle.ts";
import type { SkillRef } from "../contract/bundle-ref.ts";
import { type BundleFiles, buildBundle, filesOf } from "./bundle.ts";
import { idGiven, invalid, nameFromPath, nameGiven, optionsOf, pathGiven } from "./bundle-name.ts";
import {
  type BundleState,
  openBundleState,
  type StateParts,
  type UploadsOf,
  unstagedSlot,
} from "./bundle-state.ts";
import { readFolder } from "./files.ts";
import type { Signal } from "./transport.ts";
import type { ZipFile } from "./zip.ts";

const factories = "Skill.fromFiles or Skill.fromPath";
const allFactories =
  "Skill.fromFiles, Skill.fromPath, Skill.fromId, Skill.provider or Skill.inline";

/** Only the factories below have it. */
const inside = Symbol("inside");
let make: (state: BundleState<"Skill">) => Skill;
let stateOf: (value: object) => BundleState<"Skill"> | undefined;

/**
 * Instructions and files for a run: `SKILL.md` with whatever it refers to, mounted at `/airlock/skills/<name>`. The model is
 * told its name and description, and reads the rest when it needs it.
 *
 * A skill that was built here travels with every submission that it is given to, and is gone with the run. `upload` makes it
 * one of the workspace: it returns a new `Skill`, and from then on this one is consumed and refuses to be used.
 *
 * ```ts
 * const draft = await Skill.fromPath("./skills/report", { name: "report" });
 * const skill = await draft.uploadIfChanged(client);
 * await client.submitRun({ model, prompt, skills: [skill] });
 * ```
 */
export class Skill {
  readonly #state: BundleState<"Skill">;

  private constructor(key: symbol, state: BundleState<"Skill">) {
    if (key !== inside) throw invalid(`Skill has no constructor: use ${allFactories}`);
    this.#state = state;
  }

  /** A skill of the workspace by its id, `skl_…`. Whether it is there is seen when it is used. */
  static fromId(id: string): Skill {
    return made({ ref: { kind: "workspace", id: idGiven("Skill.fromId", id) } });
  }

  /** A skill that the model's provider has. An empty `version` is none. */
  static provider(options: { vendor: string; skillId: string; version?: string }): Skill {
    const { vendor, skillId, version } = optionsOf("Skill.provider", options);
    for (const [field, value] of Object.entries({ vendor, skillId })) {
      if (typeof value === "string" && value !== "") continue;
      throw invalid(`Skill.provider: ${field} is required`);
    }
    // The vendor is one that the contract knows, or the submission is refused.
    const named = { kind: "provider", vendor: vendor as "anthropic", skillId } as const;
    return made({ ref: version ? { ...named, version } : named });
  }

  /** A skill that is one text, sent inside the submission. It becomes `SKILL.md`, at `mountPath` if one is given. */
  static inline(options: { name: string; markdown: string; mountPath?: string }): Skill {
    const { name, markdown, mountPath } = optionsOf("Skill.inline", options);
    if (typeof markdown !== "string" || markdown.trim() === "") {
      throw invalid("Skill.inline: markdown must be text that is not blank");
    }
    const ref = { kind: "inline", name: nameGiven("Skill.inline", name), markdown } as const;
    return made({ ref: mountPath === undefined ? ref : { ...ref, mountPath } });
  }

  /**
   * A skill of these files; one of them is `SKILL.md`. They are copied, checked and named by their content. Throws a
   * `SkillBundleValidationError` that names the file and the rule.
   */
  static async fromFiles(options: { name: string; files: BundleFiles }): Promise<Skill> {
    const { name, files } = optionsOf("Skill.fromFiles", options);
    const good = nameGiven("Skill.fromFiles", name);
    return built(good, filesOf(called(good), files));
  }

  /**
   * A skill of all files below a directory (Node only), with their executable bits. Links and whatever is no regular file
   * are left out, and so is what belongs to tools: `.git`, `.hg`, `.svn`, `.DS_Store`, `Thumbs.db`, `node_modules`,
   * `__pycache__`. Without a name it has that of the directory.
   */
  static async fromPath(dir: string, options: { name?: string } = {}): Promise<Skill> {
    const where = "Skill.fromPath";
    const path = pathGiven(where, dir);
    const { name } = optionsOf(where, options);
    const good = name === undefined ? nameFromPath(where, path, false) : nameGiven(where, name);
    return built(good, await readFolder(path, where, called(good)));
  }

  /** As it is submitted. Of one that was built here `slot` is `(unstaged)`: a submission puts its own in its place. */
  get ref(): SkillRef {
    return this.#state.ref;
  }
  /** What the workspace says of it: only of one that was just uploaded or found. */
  get record(): SkillRecord | undefined {
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
  get isProvider(): boolean {
    return this.ref.kind === "provider";
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
  /** It was uploaded: the `Skill` that the upload returned takes its place. */
  get isConsumed(): boolean {
    return this.#state.isConsumed;
  }

  /**
   * Makes it a skill of the workspace and returns that one. A failed upload changes nothing and can be tried again; calls at
   * the same time are one upload, under the first one's `signal`.
   */
  async upload(client: UploadsOf<"Skill">, options: Signal = {}): Promise<Skill> {
    return kept(await this.#state.upload(client, options));
  }

  /** As `upload`, but sends no bytes when the workspace has a skill of this name with this content: returns that one. */
  async uploadIfChanged(client: UploadsOf<"Skill">, options: Signal = {}): Promise<Skill> {
    return kept(await this.#state.uploadIfChanged(client, options));
  }

  /** Its `ref`. Throws for one whose bytes would be lost, and for a consumed one. */
  toJSON(): SkillRef {
    return this.#state.toJSON();
  }

  static {
    make = (state) => new Skill(inside, state);
    stateOf = (value) => (#state in value ? value.#state : undefined);
  }
}

const called = (name: string) => `Skill ${JSON.stringify(name)}`;

type Parts = Omit<StateParts<"Skill">, "noun" | "field" | "factories">;

function made(parts: Parts): Skill {
  return make(openBundleState({ noun: "Skill", field: "skills", factories, ...parts }));
}

function kept(record: SkillRecord): Skill {
  return made({ ref: { kind: "workspace", id: record.id }, record });
}

async function built(name: string, files: readonly ZipFile[]): Promise<Skill> {
  const bundle = await buildBundle("skill", called(name), files);
  const { contentHash } = bundle;
  return made({ ref: { kind: "transient", slot: unstagedSlot, name, contentHash }, bundle });
}

/** What a skill is inside, or nothing for what is no `Skill`. */
export function skillState(value: unknown): BundleState<"Skill"> | undefined {
  return typeof value === "object" && value !== null ? stateOf(value) : undefined;
}
