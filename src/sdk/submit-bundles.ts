import { type AgentsMd, agentsMdState } from "./agents-md.ts";
import type { Bundle } from "./bundle.ts";
import type { BundleNoun, BundleState, RefOf } from "./bundle-state.ts";
import { AirlockError } from "./errors.ts";
import { type File, fileState } from "./file-bundle.ts";
import type { InputSource } from "./input-files.ts";
import { type Skill, skillState } from "./skill.ts";

/** What may be given to a run beside its prompt. */
export interface BundleSources {
  readonly skills?: readonly Skill[] | undefined;
  readonly agentsMd?: readonly AgentsMd[] | undefined;
  readonly files?: readonly (File | InputSource)[] | undefined;
}

/** A bundle that travels with a submission, and the name of its part. */
export interface BundlePart {
  name: string;
  filename: string;
  bundle: Bundle;
}

export interface PreparedBundles {
  skills?: RefOf<"Skill">[];
  agentsMd?: RefOf<"AgentsMd">[];
  /** By their places among the files of the submission; at all other places are inputs. */
  files: Map<number, RefOf<"File">>;
  inputs: Map<number, InputSource>;
  parts: BundlePart[];
}

/**
 * The bundles of a submission as they are sent: as refs, with a slot for each that travels. Nothing is packed yet. Throws
 * `invalid_request` that names the place for what no factory made, for what was consumed, and for what is given twice.
 */
export function prepareBundles({ skills, agentsMd, files }: BundleSources): PreparedBundles {
  const parts: BundlePart[] = [];
  const prepared: PreparedBundles = { files: new Map(), inputs: new Map(), parts };
  if (skills !== undefined) {
    const states = statesOf("skills", "Skill", skills, skillState);
    prepared.skills = refsOf("skills", "skill", states, parts);
  }
  if (agentsMd !== undefined) {
    const states = statesOf("agentsMd", "AgentsMd", agentsMd, agentsMdState);
    prepared.agentsMd = refsOf("agentsMd", "agentsmd", states, parts);
  }
  const bundles = new Map<number, BundleState<"File">>();
  for (const [index, source] of listOf("files", "File", files ?? []).entries()) {
    const state = fileState(source);
    if (state !== undefined) bundles.set(index, state);
    else prepared.inputs.set(index, inputOf(index, source));
  }
  const refs = refsOf("files", "file", bundles, parts);
  prepared.files = new Map(
    [...bundles.keys()].map((index, at) => [index, refs[at] as RefOf<"File">]),
  );
  return prepared;
}

function statesOf<Noun extends BundleNoun>(
  field: string,
  noun: Noun,
  list: readonly unknown[],
  stateOf: (value: unknown) => BundleState<Noun> | undefined,
): Map<number, BundleState<Noun>> {
  const states = listOf(field, noun, list).map((one, index): [number, BundleState<Noun>] => {
    const state = stateOf(one);
    if (state === undefined) throw wrong(`${field}[${index}]`, `must be a ${noun} instance`);
    return [index, state];
  });
  return new Map(states);
}

function listOf(field: string, noun: BundleNoun, list: unknown): readonly unknown[] {
  if (Array.isArray(list)) return list;
  throw wrong(field, `must be an array of ${noun} instances`);
}

/** A ref as the API has it would lose its bytes, or pretend to have some: bundles are made by their factories. */
function inputOf(index: number, source: unknown): InputSource {
  const isObject = typeof source === "object" && source !== null;
  const isOther = skillState(source) ?? agentsMdState(source);
  if (isObject && !isOther && !("kind" in source) && !(source instanceof Blob)) {
    return source as InputSource;
  }
  const message = "must be a File instance of this package, or an input with a path";
  throw wrong(`files[${index}]`, message);
}

function refsOf<Noun extends BundleNoun>(
  field: string,
  prefix: string,
  states: ReadonlyMap<number, BundleState<Noun>>,
  parts: BundlePart[],
): RefOf<Noun>[] {
  const seen = new Map<string, number>();
  let slots = 0;
  return [...states].map(([index, state]) => {
    const where = `${field}[${index}]`;
    const bundle = bundleOf(where, state);
    for (const { key, again } of keysOf(state, prefix === "file")) {
      const first = seen.get(key);
      if (first !== undefined) throw wrong(where, again(`${field}[${first}]`));
      seen.set(key, index);
    }
    if (bundle === undefined) return state.ref;
    const slot = `transient-${slots++}`;
    parts.push({ name: `${prefix}:${slot}`, filename: `${slot}.zip`, bundle });
    return { ...state.ref, slot };
  });
}

function bundleOf<Noun extends BundleNoun>(
  where: string,
  state: BundleState<Noun>,
): Bundle | undefined {
  try {
    return state.take();
  } catch (error) {
    if (!(error instanceof AirlockError)) throw error;
    throw wrong(where, error.message);
  }
}

interface Key {
  key: string;
  /** What is wrong when another one, at `first`, has it. */
  again(first: string): string;
}

/** What no two of a list may have in common: the gateway would refuse it as well. */
function keysOf<Noun extends BundleNoun>(
  { ref, name }: BundleState<Noun>,
  isMounted: boolean,
): Key[] {
  const twice = (what: string): Key => ({
    key: what,
    again: (first) => `${what} is there twice: it is ${first} already`,
  });
  if (ref.kind === "provider") {
    return [twice([ref.vendor, ref.skillId, ...(ref.version ? [ref.version] : [])].join(":"))];
  }
  const id = ref.kind === "workspace" ? [ref.id] : [];
  if (isMounted) {
    // The same files may be in two places; two in one place may not.
    const mountPath = "mountPath" in ref ? ref.mountPath : undefined;
    const own = name === undefined ? [] : [`/airlock/files/${name}`];
    return (mountPath === undefined ? [...id, ...own] : [mountPath]).map((place) => ({
      key: place,
      again: (first) => `${place} is where ${first} is mounted already`,
    }));
  }
  const named: Key = {
    key: `name ${name}`,
    again: (first) => `has the name ${JSON.stringify(name)}, which ${first} has already`,
  };
  return [...id.map(twice), ...(name === undefined ? [] : [named])];
}

function wrong(path: string, message: string): AirlockError {
  const details = { fields: [{ path, message }] };
  const text = message.startsWith("must ") ? `${path} ${message}` : `${path}: ${message}`;
  return new AirlockError({ code: "invalid_request", message: text, details });
}
