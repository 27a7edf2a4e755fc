import { z } from "zod";
import { Digest, OutputId } from "./ids.ts";

/** A file captured from one of the run's output directories. */
export const Output = z
  .object({
    id: OutputId,
    path: z.string().describe("Where it was in the sandbox"),
    name: z
      .string()
      .describe("Its name below outputs/ in the archive: safe on every system, unique in the run"),
    sha256: Digest,
    bytes: z.int(),
    contentType: z.string(),
  })
  .meta({ id: "Output" });
export type Output = z.infer<typeof Output>;

/** Why something in an output directory did not come back. */
export const missingReasons = {
  directory_missing: "The output directory does not exist, or is not a directory",
  not_a_regular_file: "A symbolic link, device, socket or FIFO: never followed, never read",
  name_not_utf8: "The name is not valid UTF-8",
  unreadable: "The file could not be read",
  changed_while_read: "The file changed while it was read",
  contains_secret: "The file holds a secret of the run and is withheld whole",
  file_too_large: "The file is larger than one output may be",
  storage_cap_exceeded: "The outputs together are larger than a run may keep",
  too_many_files: "There are more files than a run may keep",
  too_deep: "The directory is nested deeper than is read",
  storage_full: "The gateway's disk was full",
  session_terminated_pre_sync:
    "The run's directories were gone before its outputs could be captured",
} as const;

export const MissingOutput = z
  .object({
    path: z.string().optional(),
    reason: z.enum(Object.keys(missingReasons) as [keyof typeof missingReasons]),
    message: z.string().optional(),
  })
  .meta({ id: "MissingOutput" });
export type MissingOutput = z.infer<typeof MissingOutput>;

/** `manifest.json` of an archive: what it holds and what it does not, and why. */
export const ArchiveManifest = z
  .object({
    source: z
      .enum(["live", "s3"])
      .describe(
        "live: the last snapshot of a run that goes on; s3: from storage, after the capture at its end",
      ),
    partial: z.boolean(),
    outputs: z.array(
      z.object({
        id: z.string(),
        path: z.string().describe("The entry in this archive"),
        sourcePath: z.string(),
        byteSize: z.int(),
        contentType: z.string(),
        sha256: Digest,
      }),
    ),
    missing: z.array(MissingOutput),
  })
  .meta({ id: "ArchiveManifest" });
export type ArchiveManifest = z.infer<typeof ArchiveManifest>;
