import { limits } from "../base/limits.ts";

/** A JSON text is read only within these bounds: what walks over it afterwards calls itself at each level. */
export type JsonText =
  | { ok: true; value: unknown }
  | { ok: false; reason: "syntax"; message: string }
  | { ok: false; reason: "depth" }
  /** The first key that an object of it has twice. */
  | { ok: false; reason: "twice"; key: string };

/** Reads a JSON text strictly: no deeper than a request's, and no key twice, of which JSON.parse keeps the last. */
export function readJsonText(text: string): JsonText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return { ok: false, reason: "syntax", message: cause.message };
  }
  const open: (Set<string> | undefined)[] = [];
  let twice: string | undefined;
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (const [token, colon] of text.matchAll(tokens)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (colon !== undefined) {
      const key: string = JSON.parse(token.slice(0, -colon.length));
      const keys = open.at(-1);
      if (keys?.has(key)) twice ??= key;
      keys?.add(key);
    }
    if (open.length > limits.requestJsonDepth) return { ok: false, reason: "depth" };
  }
  return twice === undefined ? { ok: true, value } : { ok: false, reason: "twice", key: twice };
}
