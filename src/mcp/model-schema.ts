const combining = ["anyOf", "oneOf", "allOf"] as const;
const left = new Set<string>(["$schema", "$id", ...combining, "not", "if", "then", "else"]);

/**
 * The schema of a tool's arguments as providers take it, or why there is none: an object at the top, which names its
 * members and no alternatives. What alternatives name are members that may be there; whether they fit together, the server
 * judges.
 */
export function modelSchema(given: unknown): Record<string, unknown> | string {
  const schema = given ?? {};
  if (!isObject(schema)) return "its schema is no object";
  if (schema.type !== undefined && schema.type !== "object") return "its arguments are no object";
  const plain = Object.fromEntries(Object.entries(schema).filter(([name]) => !left.has(name)));
  const properties = { ...alternatives(schema), ...membersOf(schema) };
  const odd = Object.keys(properties).find((name) => !/^[A-Za-z0-9_.-]{1,64}$/.test(name));
  if (odd !== undefined) {
    return `no model may write the argument ${JSON.stringify(odd.slice(0, 64))}`;
  }
  return { ...plain, type: "object", properties };
}

function alternatives(schema: Record<string, unknown>): Record<string, unknown> {
  const variants = combining.flatMap((word) => {
    const list = schema[word];
    return Array.isArray(list) ? list.filter(isObject) : [];
  });
  return Object.assign({}, ...variants.map(membersOf).reverse());
}

function membersOf({ properties }: Record<string, unknown>): Record<string, unknown> {
  return isObject(properties) ? properties : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
