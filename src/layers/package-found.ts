import type { Ecosystem } from "./purl.ts";

/** A package that a file or directory of a layer speaks of. */
export interface Package {
  ecosystem: Ecosystem;
  name: string;
  version: string;
  /** False when only its metadata is there, as for Go modules that were considered and not used. */
  present: boolean;
}

/**
 * What a path says: a package by itself, one that its content names (`read` gives undefined when the content is no such
 * thing), `unreadable` when it should and does not, or undefined when it speaks of none. `optional`: content that names
 * no package is no loss.
 */
export type Sign =
  | { package: Package }
  | { read: (text: string) => Package | undefined; optional: boolean }
  | "unreadable"
  | undefined;

/** The package, if its name and version are ones that such a package can have; hostile trees claim anything. */
export function packageOf(
  ecosystem: Ecosystem,
  name: unknown,
  version: unknown,
  present = true,
): Package | undefined {
  if (typeof name !== "string" || typeof version !== "string") return undefined;
  if (name.length > 512 || !names[ecosystem].test(name)) return undefined;
  if (!/^[A-Za-z0-9.+!_~-]{1,128}$/.test(version)) return undefined;
  return { ecosystem, name, version, present };
}

const names: Record<Ecosystem, RegExp> = {
  pypi: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
  npm: /^(?:@[A-Za-z0-9~._-]+\/)?[A-Za-z0-9~_-][A-Za-z0-9~._-]*$/,
  golang: /^[A-Za-z0-9~_+-][A-Za-z0-9~._+-]*(?:\/[A-Za-z0-9~_.+-]+)*$/,
  cargo: /^[A-Za-z0-9_-]+$/,
};
