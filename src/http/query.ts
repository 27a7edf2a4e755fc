import { z } from "zod";
import { limits } from "../base/limits.ts";
import { AgentRevisionRef } from "../contract/agent-install.ts";
import { ApprovalStatus } from "../contract/approval.ts";
import { BundleName } from "../contract/bundle.ts";
import { Digest } from "../contract/ids.ts";
import { InteractionStatus } from "../contract/interaction.ts";
import { LayerName } from "../contract/layer.ts";
import { RunStatus } from "../contract/run.ts";

/** A whole number in a query string: digits only, so that ` 5`, `5e1` and `0x5` are mistakes and not surprises. */
export function wholeNumber(minimum: number, maximum: number) {
  return z
    .string()
    .transform((text, context) => {
      const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= minimum && value <= maximum) return value;
      context.addIssue({
        code: "custom",
        message: `expected a whole number from ${minimum} to ${maximum}`,
      });
      return z.NEVER;
    })
    .meta({ type: "integer", minimum, maximum });
}

export const Since = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const PageSize = wholeNumber(1, limits.pageRows)
  .optional()
  .transform((rows) => rows ?? limits.pageRowsDefault)
  .meta({
    type: "integer",
    minimum: 1,
    maximum: limits.pageRows,
    description: `Rows of one page; ${limits.pageRowsDefault} unless told`,
  });

const Cursor = z.string().min(1).max(512).optional().describe("`nextCursor` of the page before");

export const RunListQuery = z.strictObject({
  status: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(RunStatus))
    .optional()
    .describe("Only runs with one of these statuses, separated by commas"),
  limit: PageSize,
  cursor: Cursor,
});

export const PageQuery = z.strictObject({ limit: PageSize, cursor: Cursor });

export const ApprovalListQuery = PageQuery.extend({
  status: ApprovalStatus.optional().describe("Only approvals that are so"),
});

export const AgentQuery = z.strictObject({
  revision: AgentRevisionRef.optional().describe("Default: the active one"),
});

export const InteractionListQuery = PageQuery.extend({
  status: InteractionStatus.optional().describe("Only interactions that are so"),
});

/** What a client has, and asks whether it is there. */
export const BundleQuery = z.strictObject({
  name: BundleName,
  content_hash: Digest.describe("Of its canonical manifest"),
});

/** What a sender says of the archive of a layer that is the body of the request. */
export const LayerImportQuery = z
  .strictObject({
    name: LayerName.describe("What the layer is called; one that is there keeps its name"),
    digest: Digest.optional().describe("The digest that it must have"),
    arch: z.enum(["x64", "arm64"]).optional().describe("What it runs on; left out: anything"),
    libc: z.enum(["glibc", "musl"]).optional(),
    python: z
      .string()
      .regex(/^\d{1,3}\.\d{1,3}$/, "expected a version like 3.12")
      .optional(),
    node: z
      .string()
      .regex(/^\d{1,5}$/, "expected the version of a module interface, like 137")
      .optional(),
  })
  .refine(
    ({ arch, libc, python, node }) =>
      (arch === undefined) === (libc === undefined) &&
      (arch !== undefined || (python === undefined && node === undefined)),
    { path: ["arch"], message: "expected both arch and libc, and python and node only with them" },
  );

export const EventsQuery = z.strictObject({
  since: Since.optional().describe(
    "Only events with a larger `seq`; at most the run's `lastSeq`. `Last-Event-ID` wins over it",
  ),
  limit: PageSize,
});

/**
 * The members of a query string. A name that comes twice stays a list, so that the schema refuses it: picking one of two
 * values would be a decision.
 */
export function queryMembers(queries: Record<string, string[]>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [
      name,
      values.length === 1 ? values[0] : values,
    ]),
  );
}
