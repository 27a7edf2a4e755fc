import { resolve } from "node:path";
import { usage } from "./exit.ts";
import { readTextFile } from "./read-value.ts";

export type Draft = Record<string, unknown>;

/** Where a configuration is, for messages, and where its paths count from. */
export interface Place {
  shown: string;
  directory: string;
}

/** Refuses a key that is not known here: what is misspelt would silently be another run. */
export function onlyKeys(place: Place, where: string, value: Draft, keys: readonly string[]): void {
  const unknown = Object.keys(value).filter((key) => !keys.includes(key));
  if (unknown.length === 0) return;
  const named = unknown.map((key) => JSON.stringify(key)).join(", ");
  const at = where === "" ? "" : `${where}: `;
  throw usage(
    `${place.shown}: ${at}unknown ${unknown.length === 1 ? "key" : "keys"} ${named}`,
    `Permitted are ${keys.join(", ")}`,
  );
}

/** The same value, with every text that names a file replaced by what is in it. */
export async function readTexts(place: Place, where: string, value: unknown): Promise<unknown> {
  if (typeof value === "string") {
    if (value.startsWith("@@")) return value.slice(1);
    if (!value.startsWith("@")) return value;
    const text = await readTextFile(
      `${place.shown}: ${where}`,
      resolve(place.directory, value.slice(1)),
    );
    // An editor ends a file with a line feed that is no part of a credential.
    return where.startsWith("secrets") ? text.replace(/\r?\n$/, "") : text;
  }
  if (Array.isArray(value)) {
    return await Promise.all(value.map((one, at) => readTexts(place, `${where}[${at}]`, one)));
  }
  if (!isObject(value)) return value;
  const read = Object.entries(value).map(async ([key, one]) => [
    key,
    await readTexts(place, `${where}.${key}`, one),
  ]);
  return Object.fromEntries(await Promise.all(read));
}

export function isObject(value: unknown): value is Draft {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
