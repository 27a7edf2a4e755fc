import { z } from "zod";

/** What `airlock verify` found: every chain, every row against its chain, every blob and layer against its name. */
export const VerifyReport = z
  .object({
    ok: z.boolean(),
    runs: z.int(),
    events: z.int(),
    blobs: z.int(),
    bytes: z.int(),
    layers: z.int(),
    defects: z.array(
      z.object({
        kind: z.enum([
          "chain_broken",
          "sequence_gap",
          "head_mismatch",
          "row_mismatch",
          "blob_missing",
          "blob_corrupt",
          "layer_damaged",
          "database_corrupt",
        ]),
        subject: z.string(),
        message: z.string(),
      }),
    ),
  })
  .meta({ id: "VerifyReport" });
export type VerifyReport = z.infer<typeof VerifyReport>;

/** What `airlock gc` removed, or would remove. */
export const GcReport = z
  .object({
    dryRun: z.boolean(),
    blobs: z.int(),
    bytes: z.int(),
    tempFiles: z.int(),
    layers: z.int(),
    runDirectories: z.int(),
    retainedRuns: z
      .int()
      .describe("Runs that have ended and keep their directories until they are deleted"),
    kept: z.object({ blobs: z.int(), bytes: z.int(), young: z.int() }),
  })
  .meta({ id: "GcReport" });
export type GcReport = z.infer<typeof GcReport>;

/** One probe of `airlock doctor`, and what to do when it fails. */
export const Probe = z
  .object({
    name: z.string(),
    ok: z.boolean(),
    required: z.boolean(),
    found: z.string(),
    remedy: z.string().optional(),
  })
  .meta({ id: "Probe" });
export type Probe = z.infer<typeof Probe>;

export const DoctorReport = z
  .object({
    grade: z.enum(["A", "B"]).nullable().describe("null: no sandbox, so nothing runs"),
    probes: z.array(Probe),
    notExercised: z.array(z.string()).describe("What could not be exercised on this host"),
  })
  .meta({ id: "DoctorReport" });
export type DoctorReport = z.infer<typeof DoctorReport>;
