import type { z } from "zod";

/** What `nameKeys` says begins with this. */
export const expectedKeys = "expected one of ";

/** For a parser's `error`: who misspells a member is told which ones there are. */
export function nameKeys(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== "unrecognized_keys") return undefined;
  const shape = shapeOf(issue.inst);
  return shape && `${expectedKeys}${Object.keys(shape).join(", ")}`;
}

function shapeOf(schema: unknown): object | undefined {
  const def = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def;
  return def?.shape;
}
