import { openTomlCursor, type TomlCursor } from "./toml-cursor.ts";

/** One value of a TOML document, with the keys that lead to it. */
export interface TomlSetting {
  path: string[];
  value: TomlValue;
}

export type TomlValue = string | number | boolean | TomlValue[];

/**
 * Reads as much of TOML as configurations of package clients use: tables, dotted and quoted keys, inline tables, the
 * four kinds of strings, whole numbers, booleans and arrays. Tables in arrays are read and not given. Throws a
 * SyntaxError, which names the line, for anything else, because half a configuration would be another one.
 */
export function readToml(text: string): TomlSetting[] {
  const settings: TomlSetting[] = [];
  const cursor = openTomlCursor(text);
  const { match, skip, fail } = cursor;
  let table: string[] | undefined = [];
  for (match(/\s*/y); !cursor.ended(); cursor.blank()) {
    if (skip("[[")) {
      readKeys(cursor);
      if (!skip("]]")) fail("]]");
      table = undefined;
    } else if (skip("[")) {
      table = readKeys(cursor);
      if (!skip("]")) fail("]");
    } else if (match(/(?=#|\r?\n)/y) === undefined) {
      const pair = readPair(cursor, table ?? [], 0);
      if (table !== undefined) settings.push(...pair);
    }
    match(/[ \t]*(?:#[^\n]*)?/y);
    if (!cursor.ended() && match(/\r?\n/y) === undefined) fail("end of the line");
  }
  return settings;
}

function readPair(cursor: TomlCursor, table: string[], depth: number): TomlSetting[] {
  const path = [...table, ...readKeys(cursor)];
  if (!cursor.skip("=")) cursor.fail("=");
  cursor.match(/[ \t]*/y);
  if (cursor.skip("{")) return readInlineTable(cursor, path, depth + 1);
  return [{ path, value: readValue(cursor, depth + 1) }];
}

function readKeys(cursor: TomlCursor): string[] {
  const keys: string[] = [];
  do {
    cursor.match(/[ \t]*/y);
    keys.push(cursor.match(/[\w-]+/y) ?? cursor.string() ?? cursor.fail("key"));
    cursor.match(/[ \t]*/y);
  } while (cursor.skip("."));
  return keys;
}

function readInlineTable(cursor: TomlCursor, path: string[], depth: number): TomlSetting[] {
  if (depth > 32) cursor.fail("value that is less deep");
  const settings: TomlSetting[] = [];
  for (cursor.blank(); !cursor.skip("}"); cursor.blank()) {
    settings.push(...readPair(cursor, path, depth));
    cursor.blank();
    if (!cursor.skip(",") && !cursor.isAt("}")) cursor.fail("end of the table");
  }
  return settings;
}

function readValue(cursor: TomlCursor, depth: number): TomlValue {
  const string = cursor.string();
  if (string !== undefined) return string;
  if (cursor.skip("[")) return readArray(cursor, depth + 1);
  const word = cursor.match(/[\w.+:-]+/y) ?? cursor.fail("value");
  if (word === "true" || word === "false") return word === "true";
  return /^[+-]?\d[\d_]*$/.test(word) ? Number(word.replaceAll("_", "")) : word;
}

function readArray(cursor: TomlCursor, depth: number): TomlValue[] {
  if (depth > 32) cursor.fail("value that is less deep");
  const items: TomlValue[] = [];
  for (cursor.blank(); !cursor.skip("]"); cursor.blank()) {
    if (cursor.skip("{")) readInlineTable(cursor, [], depth);
    else items.push(readValue(cursor, depth));
    cursor.blank();
    if (!cursor.skip(",") && !cursor.isAt("]")) cursor.fail("end of the array");
  }
  return items;
}
