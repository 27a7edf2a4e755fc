/** One version of one named content of a run tree, as the journal's rows keep it. */
export interface ContentVersion {
  runId: string;
  name: string;
  visibility: "private" | "session";
  sha256: string;
  bytes: number;
  /** Order of writing within the run tree: larger is newer. */
  order: number;
}

export type ContentFound =
  | { type: "found"; content: ContentVersion }
  /** An alias that stands for more than one content: the handles tell them apart. */
  | { type: "ambiguous"; candidates: ContentVersion[] }
  /** With the visible names that are nearest to what was asked for, nearest first. */
  | { type: "not_found"; suggestions: string[] };

export interface ContentView {
  /** What each visible name stands for, by name in code-unit order. */
  current: ContentVersion[];
  /** Finds content by its name, its handle `sha256:<64 hex>` or its alias `cnt_<8 hex>`. */
  find(reference: string): ContentFound;
}

const suggestionsMax = 3;
const likenessMin = 0.35;
const comparedChars = 128;

/** The short name of a content: `cnt_` and the first 8 hex digits of its digest. */
export function contentAlias(sha256: string): string {
  return `cnt_${sha256.slice("sha256:".length, "sha256:".length + 8)}`;
}

/**
 * The content of a run tree as one of its runs sees it: its own, and every `session` version of the others. Under one
 * name its own newest version wins; without one, the newest of the others. Older versions stay reachable by handle.
 */
export function contentView(versions: Iterable<ContentVersion>, runId: string): ContentView {
  const visible = [...versions].filter((v) => v.runId === runId || v.visibility === "session");
  const byName = new Map<string, ContentVersion>();
  for (const version of visible) {
    const held = byName.get(version.name);
    if (held === undefined || wins(version, held, runId)) byName.set(version.name, version);
  }
  const current = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

  return {
    current,
    find(reference) {
      const named = byName.get(reference);
      if (named) return { type: "found", content: named };
      const candidates = byDigest(visible, reference);
      const [first] = candidates;
      if (first === undefined) {
        return { type: "not_found", suggestions: nearest(reference, current) };
      }
      return candidates.length === 1
        ? { type: "found", content: first }
        : { type: "ambiguous", candidates };
    },
  };
}

function wins(version: ContentVersion, held: ContentVersion, runId: string): boolean {
  const own = version.runId === runId;
  return own === (held.runId === runId) ? version.order > held.order : own;
}

/** Per digest that a handle or an alias stands for, its newest visible version. */
function byDigest(visible: ContentVersion[], reference: string): ContentVersion[] {
  const found = new Map<string, ContentVersion>();
  for (const version of visible) {
    if (version.sha256 !== reference && contentAlias(version.sha256) !== reference) continue;
    const held = found.get(version.sha256);
    if (held === undefined || version.order > held.order) found.set(version.sha256, version);
  }
  return [...found.values()];
}

function nearest(reference: string, current: ContentVersion[]): string[] {
  const wanted = pairsOf(reference);
  return current
    .map(({ name }) => ({ name, likeness: likeness(wanted, pairsOf(name)) }))
    .filter((candidate) => candidate.likeness >= likenessMin)
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, suggestionsMax)
    .map(({ name }) => name);
}

/** Pairs of neighbouring letters: comparing them costs the length of a name, not its square, for each of many names. */
function pairsOf(name: string): Set<string> {
  const text = ` ${name.slice(-comparedChars).toLowerCase()} `;
  const pairs = new Set<string>();
  for (let i = 0; i + 1 < text.length; i++) pairs.add(text.slice(i, i + 2));
  return pairs;
}

function likeness(a: Set<string>, b: Set<string>): number {
  let shared = 0;
  for (const pair of a) if (b.has(pair)) shared += 1;
  return (2 * shared) / (a.size + b.size);
}
