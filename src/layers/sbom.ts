/** What is in a layer, as CycloneDX 1.6 (https://cyclonedx.org), read from the installed tree and nothing else. */
import { isUtf8 } from "node:buffer";
import { closeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { openRoot } from "../base/below.ts";
import { layerId } from "../contract/layer.ts";
import { readEntry } from "./entry-file.ts";
import type { LayerEntry } from "./layer-entry.ts";
import type { Package, Sign } from "./package-found.ts";
import { purl } from "./purl.ts";
import { goSign } from "./sbom-go.ts";
import { marksModules, nodeSign } from "./sbom-node.ts";
import { pythonSign } from "./sbom-python.ts";
import { rustSign } from "./sbom-rust.ts";

export interface SbomComponent {
  type: "library";
  "bom-ref": string;
  /** The scope of an npm package. */
  group?: string;
  name: string;
  version: string;
  purl: string;
  /** `excluded`: only its metadata is in the layer. */
  scope: "required" | "excluded";
}

/** The parts of CycloneDX that an SBOM of a layer uses. Without times and serial numbers: one layer, one SBOM. */
export interface Sbom {
  bomFormat: "CycloneDX";
  specVersion: "1.6";
  version: 1;
  metadata: {
    component: {
      type: "container";
      "bom-ref": string;
      name: string;
      version: string;
      hashes: [{ alg: "SHA-256"; content: string }];
    };
  };
  components: SbomComponent[];
  properties: { name: string; value: string }[];
}

/** A file that names a package and is larger than this is counted as unreadable. */
const readableBytes = 1024 * 1024;
/** Entries that are looked at before others get a turn. */
const entriesInARow = 2000;

/**
 * The SBOM of the layer `digest` whose tree is at `tree`: Python distributions, Node packages, Go modules and Rust
 * crates, each once. Files that should name a package and do not (too large, no UTF-8, no JSON, an impossible name) are
 * counted in the property `airlock:unreadable`. Throws `digest_mismatch` when a file is not what `entries` say.
 */
export async function sbomOf(
  tree: string,
  entries: readonly LayerEntry[],
  digest: string,
  signal?: AbortSignal,
): Promise<Sbom> {
  const found = new Map<string, SbomComponent>();
  let unreadable = 0;
  const isModules = entries.some(({ path }) => marksModules(path));
  const root = openRoot(tree);
  try {
    for (const [index, entry] of entries.entries()) {
      if (index % entriesInARow === 0) await setImmediate();
      signal?.throwIfAborted();
      const sign = signOf(entry, isModules);
      if (sign === undefined) continue;
      const named = await packageBehind(root, entry, sign);
      if (named === "unreadable") unreadable += 1;
      else if (named !== undefined) add(found, named);
    }
  } finally {
    closeSync(root);
  }
  const components = [...found.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
  return document(digest, components, unreadable);
}

function signOf(entry: LayerEntry, isModules: boolean): Sign {
  if (entry.type === "symlink" || !isUtf8(entry.path)) return undefined;
  const path = entry.path.toString("utf8");
  if (entry.type === "directory") return path.includes("@") ? goSign(path, true) : undefined;
  return pythonSign(path) ?? nodeSign(path, isModules) ?? goSign(path, false) ?? rustSign(path);
}

async function packageBehind(
  root: number,
  entry: LayerEntry,
  sign: Exclude<Sign, undefined>,
): Promise<Package | "unreadable" | undefined> {
  if (sign === "unreadable") return sign;
  if ("package" in sign) return sign.package;
  const failure = sign.optional ? undefined : "unreadable";
  if (entry.size > readableBytes) return failure;
  const bytes = await readEntry(root, entry);
  return isUtf8(bytes) ? (sign.read(bytes.toString("utf8")) ?? failure) : failure;
}

function add(found: Map<string, SbomComponent>, named: Package): void {
  const url = purl(named.ecosystem, named.name, named.version);
  if (found.has(url) && !named.present) return;
  const [, group, name] = /^(@[^/]+)\/(.+)$/.exec(named.name) ?? [];
  found.set(url, {
    type: "library",
    "bom-ref": url,
    ...(group === undefined ? {} : { group }),
    name: name ?? named.name,
    version: named.version,
    purl: url,
    scope: named.present ? "required" : "excluded",
  });
}

function document(digest: string, components: SbomComponent[], unreadable: number): Sbom {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "container",
        "bom-ref": digest,
        name: layerId(digest),
        version: digest,
        hashes: [{ alg: "SHA-256", content: digest.slice("sha256:".length) }],
      },
    },
    components,
    properties: [{ name: "airlock:unreadable", value: String(unreadable) }],
  };
}
