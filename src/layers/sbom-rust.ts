import { packageOf, type Sign } from "./package-found.ts";

const downloaded = /(?:^|\/)cache\/[^/]+-[0-9a-f]{16}\/([^/]+)\.crate$/;
const unpacked = /(?:^|\/)src\/[^/]+-[0-9a-f]{16}\/([^/]+)\/Cargo\.toml$/;

/** Crates of a cargo registry, downloaded or unpacked: cargo itself names the file or directory after the crate. */
export function rustSign(path: string): Sign {
  const title = downloaded.exec(path)?.[1] ?? unpacked.exec(path)?.[1];
  if (title === undefined) return undefined;
  // No name of a crate has a dot, so the first `-1.` is where the version begins.
  const [, name, version] = /^(.+?)-([0-9]+\.[0-9]+\.[0-9]+.*)$/.exec(title) ?? [];
  const found = packageOf("cargo", name, version);
  return found === undefined ? "unreadable" : { package: found };
}
