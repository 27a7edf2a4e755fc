import { z } from "zod";
import type { Path } from "./fault.ts";

/** The schema of what stands at a path of a value; undefined: the schema says nothing about it. */
export function schemaAt(schema: z.ZodType, value: unknown, path: Path): z.ZodType | undefined {
  const own = unwrapped(schema, value);
  const [key, ...rest] = path;
  if (own === undefined || key === undefined) return own;
  const inner = memberSchema(own, key);
  const member = (value as Record<string | number, unknown> | null | undefined)?.[key];
  return inner && schemaAt(inner, member, rest);
}

/** The keys that the object at a path may have; empty: it is no object of known keys. */
export function knownKeys(schema: z.ZodType, value: unknown, path: Path): string[] {
  const found = schemaAt(schema, value, path);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

/** Where else in a schema an object has this key: `io.output_policy`. Not within lists. */
export function homeOf(schema: z.ZodType, key: string, path: Path = []): string | undefined {
  const own = unwrapped(schema, undefined);
  if (!(own instanceof z.ZodObject)) return undefined;
  for (const [name, inner] of Object.entries(own.shape)) {
    const here = [...path, name];
    if (name === key) return here.join(".");
    const deeper = homeOf(inner as z.ZodType, key, here);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

function memberSchema(schema: z.ZodType, key: string | number): z.ZodType | undefined {
  if (schema instanceof z.ZodObject) {
    return Object.hasOwn(schema.shape, key) ? (schema.shape[key] as z.ZodType) : undefined;
  }
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType;
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  return undefined;
}

/** Past what only says that it may be absent, and into the member of a union that the value says it is. */
function unwrapped(schema: z.ZodType, value: unknown): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional) return unwrapped(schema.unwrap() as z.ZodType, value);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema;
  const tag = schema.def.discriminator;
  const said = (value as Record<string, unknown> | null | undefined)?.[tag];
  return (schema.options as z.ZodObject[]).find((option) => {
    const literal = option.shape[tag];
    return literal instanceof z.ZodLiteral && literal.value === said;
  });
}

/** What the tag of a union may be: the names of all capabilities. */
export function tagsOf(schema: z.ZodType): string[] {
  const own = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;
  if (!(own instanceof z.ZodDiscriminatedUnion)) return [];
  const tag = own.def.discriminator;
  return (own.options as z.ZodObject[]).flatMap((option) => {
    const literal = option.shape[tag];
    return literal instanceof z.ZodLiteral ? [String(literal.value)] : [];
  });
}
