/**
 * Serialises a JSON value in the canonical form of RFC 8785 (JCS): object keys sorted by UTF-16 code units, no
 * white space, numbers and strings as ECMAScript writes them (which is what the RFC prescribes). Members that are
 * `undefined` are left out, as `JSON.stringify` does. Two equal values always give the same text, so its hash is a name.
 *
 * Throws a `TypeError` on what JSON cannot say: NaN, infinities, functions, symbols, bigint.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`Cannot write ${value} as JSON`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`Cannot write a ${typeof value} as JSON`);
}
