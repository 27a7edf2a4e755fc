import { packageOf, type Sign } from "./package-found.ts";

const inModules = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^@/.][^/]*\/package\.json$/;
const atTop = /^((?:@[^/]+\/)?[^@/.][^/]*)\/package\.json$/;

/** What installers leave at the top of a `node_modules`. */
const marks = new Set([".package-lock.json", ".modules.yaml", ".yarn-integrity"]);

/** Whether an entry at the top of a layer shows that the layer is a `node_modules` itself. */
export function marksModules(path: Buffer): boolean {
  return path[0] === 0x2e && marks.has(path.toString("latin1"));
}

/**
 * Roots of packages below any `node_modules`; a package.json deeper in a package is that package's own business. At the
 * top of a layer without a mark only a package that bears the name of its directory counts.
 */
export function nodeSign(path: string, isModules: boolean): Sign {
  if (!path.endsWith("/package.json")) return undefined;
  if (inModules.test(path)) return { read: readManifest, optional: false };
  const directory = atTop.exec(path)?.[1];
  if (directory === undefined || directory === "node_modules") return undefined;
  if (isModules) return { read: readManifest, optional: false };
  const read = (text: string) => {
    const found = readManifest(text);
    return found?.name === directory ? found : undefined;
  };
  return { read, optional: true };
}

function readManifest(text: string) {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { name, version } = parsed as { name?: unknown; version?: unknown };
  return packageOf("npm", name, version);
}
