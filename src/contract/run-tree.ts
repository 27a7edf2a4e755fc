import { z } from "zod";
import { RunId } from "./ids.ts";
import { Run } from "./run.ts";
import { RunSecrets } from "./submission.ts";

/** One run of a tree, with the runs that it started, oldest first. */
export interface RunTreeNode {
  run: Run;
  children: RunTreeNode[];
}
export const RunTreeNode: z.ZodType<RunTreeNode> = z
  .object({
    run: Run,
    get children() {
      return z.array(RunTreeNode);
    },
  })
  .meta({ id: "RunTreeNode" });

/** The whole tree to which a run belongs. */
export const RunTree = z
  .object({
    rootRunId: RunId,
    runs: z.int(),
    budget: z
      .object({
        tokens: z.object({ limit: z.int().nullable(), used: z.int(), reserved: z.int() }),
        usd: z.object({
          limit: z.number().nullable(),
          used: z.number(),
          reserved: z.number(),
        }),
        turns: z.object({ limit: z.int().nullable(), used: z.int() }),
        calls: z.object({ limit: z.int().nullable(), used: z.int() }),
        wallClockSeconds: z.number().nullable(),
      })
      .nullable()
      .describe("null: the tree has none"),
    root: RunTreeNode,
  })
  .meta({ id: "RunTree" });
export type RunTree = z.infer<typeof RunTree>;

/** A run that goes on from a turn of another one. */
export const ForkRequest = z
  .strictObject({
    turn: z
      .int()
      .min(1)
      .optional()
      .describe("The last turn that it remembers. Default: the newest"),
    message: z.string().min(1).max(1_000_000).optional().describe("What it is told then"),
    idempotencyKey: z
      .string()
      .max(255)
      .refine((key) => key.trim() !== "", "must not be blank")
      .optional()
      .describe("Also accepted as the header Idempotency-Key"),
    secrets: RunSecrets.optional().describe(
      "It has none of the other run's: those that it is to have are given again",
    ),
  })
  .meta({ id: "ForkRequest" });
export type ForkRequest = z.infer<typeof ForkRequest>;
