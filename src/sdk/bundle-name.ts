import { BundleName } from "../contract/bundle.ts";
import { AirlockError } from "./errors.ts";

/** The name as it was given, when it is one. `where` is the factory that was called. */
export function nameGiven(where: string, name: unknown): string {
  const parsed = BundleName.safeParse(name);
  if (parsed.success) return parsed.data;
  const shown = typeof name === "string" ? JSON.stringify(name.slice(0, 200)) : typeof name;
  const wanted =
    "lower-case letters, digits, - and _, at most 128, the first of them a letter or digit";
  throw invalid(`${where}: name ${shown} cannot be used; expected ${wanted}`);
}

/**
 * The name that a path suggests: its last part without extension, in lower case, without accents, and with a `-` for
 * whatever a name cannot have. The same path gives the same name on every machine. Throws when nothing is left of it.
 */
export function nameFromPath(where: string, path: string, isFile: boolean): string {
  const last = path.split(/[\\/]/).findLast((part) => part !== "") ?? "";
  const stem = isFile ? last.replace(/(?<=.)\.[^.]*$/, "") : last;
  const name = stem
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
  if (BundleName.safeParse(name).success) return name;
  throw invalid(`${where}: no name can be made of ${JSON.stringify(path)}; give one as { name }`);
}

/** What was given in place of options, as an object. */
export function optionsOf<Options extends object>(where: string, options: Options): Options {
  if (typeof options === "object" && options !== null) return options;
  throw invalid(`${where} takes an object of options`);
}

export function idGiven(where: string, id: unknown): string {
  if (typeof id === "string" && id !== "") return id;
  throw invalid(`${where}: id is required`);
}

export function pathGiven(where: string, path: unknown): string {
  if (typeof path === "string" && path !== "") return path;
  throw invalid(`${where}: a path is required`);
}

export function invalid(message: string): AirlockError {
  return new AirlockError({ code: "invalid_request", message });
}
