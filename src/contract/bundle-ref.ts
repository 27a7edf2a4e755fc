import { z } from "zod";
import { AgentsMdId, BundleName, FileId, SkillId } from "./bundle.ts";
import { Digest } from "./ids.ts";
import { normaliseOutputDir } from "./output-dirs.ts";

/** Where a bundle is mounted, in place of its own directory below `/airlock`. Nothing of it can be changed there. */
const MountPath = z
  .string()
  .transform((path, context) => {
    const normal = normaliseOutputDir(path);
    const reason = "reason" in normal ? normal.reason : placeProblem(normal.dir);
    if (reason !== undefined) {
      context.issues.push({ code: "custom", message: reason, input: path });
      return z.NEVER;
    }
    return "dir" in normal ? normal.dir : z.NEVER;
  })
  .meta({ id: "MountPath" });

/** What the sandbox would not mount at is said now: a run that was made could only end of it. */
function placeProblem(dir: string): string | undefined {
  if (!/^\/(opt|deps|tmp|workspace)\/./.test(dir)) {
    return "must be below /opt, /deps, /tmp or /workspace";
  }
  if (!dir.isWellFormed() || /[\p{Cc}\\]/u.test(dir)) {
    return "must not contain control characters or a backslash";
  }
  const isLong = dir.split("/").some((name) => new TextEncoder().encode(name).length > 255);
  return isLong ? "has a name longer than 255 bytes" : undefined;
}

const slot = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, - or _");

/** A bundle that travels with the submission, as the multipart part `<kind>:<slot>`, and is gone with the run. */
const transient = { kind: z.literal("transient"), slot, name: BundleName, contentHash: Digest };

/** Text that is written into the submission itself. */
const inlineBytesMax = 256 * 1024;
const InlineText = z
  .string()
  .refine((text) => text.trim() !== "", "must not be blank")
  .refine((text) => new TextEncoder().encode(text).length <= inlineBytesMax, {
    error: `exceeds ${inlineBytesMax} bytes`,
  });

/** A skill of a submission: of the workspace, of the model's provider, sent along, or written inline. */
export const SkillRef = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("workspace"), id: SkillId }),
    z.strictObject({
      kind: z.literal("provider"),
      vendor: z.enum(["anthropic", "custom"]),
      skillId: z.string().min(1).max(256),
      version: z.string().min(1).max(64).optional(),
    }),
    z.strictObject(transient),
    z.strictObject({
      kind: z.literal("inline"),
      name: BundleName,
      markdown: InlineText.describe("Becomes SKILL.md"),
      mountPath: MountPath.optional().describe("Default: /airlock/skills/<name>"),
    }),
  ])
  .meta({ id: "SkillRef" });
export type SkillRef = z.infer<typeof SkillRef>;

/** Instructions of a submission, said to the model before its prompt. */
export const AgentsMdRef = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("workspace"), id: AgentsMdId }),
    z.strictObject(transient),
    z.strictObject({ kind: z.literal("inline"), name: BundleName, content: InlineText }),
  ])
  .meta({ id: "AgentsMdRef" });
export type AgentsMdRef = z.infer<typeof AgentsMdRef>;

/** Files of a submission that are mounted read-only. */
export const FileRef = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("workspace"),
      id: FileId,
      mountPath: MountPath.optional().describe("Default: /airlock/files/<name>"),
    }),
    z.strictObject({ ...transient, mountPath: MountPath.optional() }),
  ])
  .meta({ id: "FileRef" });
export type FileRef = z.infer<typeof FileRef>;

/** A bundle as a run keeps it: by content, whatever becomes of the record that it was found by. */
export const PinnedBundle = z.strictObject({
  name: z.string(),
  contentHash: Digest,
  sizeBytes: z.int(),
  fileCount: z.int(),
  /** Of the workspace; without one it came with the submission, and goes with the run. */
  id: z.string().optional(),
  mountPath: z.string().optional(),
});
export type PinnedBundle = z.infer<typeof PinnedBundle>;

export const PinnedSkill = z.union([
  PinnedBundle.extend({ description: z.string().nullable() }),
  z.strictObject({
    vendor: z.string(),
    skillId: z.string(),
    version: z.string().optional(),
  }),
]);
export type PinnedSkill = z.infer<typeof PinnedSkill>;
