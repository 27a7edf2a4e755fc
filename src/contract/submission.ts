import { z } from "zod";
import { Capability, InlineAgent } from "./agent.ts";
import { Digest } from "./ids.ts";
import { OutputDirs } from "./output-dirs.ts";

/** A path of an input below `/workspace`: relative, forward slashes, no `.` or `..` or empty segment. */
export const InputPath = z
  .string()
  .min(1)
  .refine((path) => new TextEncoder().encode(path).length <= 512, "exceeds 512 bytes")
  .refine(
    (path) => !/[\0-\x1f\x7f\\]/.test(path),
    "must not contain control characters or a backslash",
  )
  .refine((path) => !path.startsWith("/"), "must be relative: it is placed in /workspace")
  .refine(
    (path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "must not contain an empty, '.' or '..' segment",
  )
  .refine((path) => path.split("/").every((part) => new TextEncoder().encode(part).length <= 255), {
    error: "has a segment longer than 255 bytes",
  })
  .meta({ id: "InputPath" });

/**
 * One input file, placed in `/workspace` before the first call. Its bytes come from exactly one of: `content` (text),
 * `contentBase64`, or `slot`: the multipart part named `file:<slot>` of the same request.
 */
export const InputFile = z
  .strictObject({
    path: InputPath,
    content: z.string().optional(),
    contentBase64: z.base64().optional(),
    slot: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, - or _")
      .optional(),
    sha256: Digest.optional().describe("When given, the bytes must have this digest"),
    executable: z.boolean().optional().describe("Mode 0755 in place of 0644"),
  })
  .refine(
    (file) =>
      [file.content, file.contentBase64, file.slot].filter((source) => source !== undefined)
        .length === 1,
    "must have exactly one of content, contentBase64 and slot",
  )
  .meta({ id: "InputFile" });
export type InputFile = z.infer<typeof InputFile>;

/** Limits of one run. Reaching one ends the run as `terminated` with a `stop_reason` of its own; outputs are kept. */
export const RunLimits = z
  .strictObject({
    wallClockSeconds: z.number().positive().max(2_592_000).optional(),
    turns: z.int().min(1).max(10_000).optional(),
    calls: z.int().min(1).max(100_000).optional(),
    outputTokens: z.int().min(1).max(100_000_000).optional(),
    diskBytes: z.int().min(1_048_576).max(1_099_511_627_776).optional(),
    memoryBytes: z.int().min(16_777_216).max(1_099_511_627_776).optional(),
    callSeconds: z.number().positive().max(86_400).optional(),
  })
  .meta({ id: "RunLimits" });
export type RunLimits = z.infer<typeof RunLimits>;

const nonBlank = (text: string) => text.trim() !== "";

export const ModelId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$/,
    "expected provider/model, or a bare claude-…, gpt-… or gemini-…",
  )
  .meta({ id: "ModelId" });

/** The model credential of this run only: sealed at rest, destroyed at its end, and stronger than the gateway's own. */
const ProviderSecret = z.strictObject({ apiKey: z.string().min(8).max(4096) });

export const providers = [
  "anthropic",
  "openai",
  "google",
  "mistral",
  "deepseek",
  "openrouter",
] as const;
export type Provider = (typeof providers)[number];

export const RunSecrets = z
  .strictObject(
    Object.fromEntries(providers.map((name) => [name, ProviderSecret.optional()])) as Record<
      Provider,
      z.ZodOptional<typeof ProviderSecret>
    >,
  )
  .meta({ id: "RunSecrets" });
export type RunSecrets = z.infer<typeof RunSecrets>;

export const Metadata = z.record(z.string().min(1).max(128), z.json()).meta({ id: "Metadata" });

/** What a caller sends to `POST /api/runs`. Unknown members are refused. */
export const RunSubmission = z
  .strictObject({
    model: ModelId,
    fallbackModel: ModelId.optional().describe("Tried once the first model cannot answer"),
    prompt: z.union([
      z.string().refine(nonBlank, "must not be blank"),
      z.array(z.string().refine(nonBlank, "must not be blank")).min(1).max(1000),
    ]),
    system: z.string().optional(),
    agent: InlineAgent.optional(),
    grant: z
      .array(Capability)
      .max(32)
      .optional()
      .describe(
        "The most that the run and everything it spawns may do. Default: what its agent may",
      ),
    files: z.array(InputFile).max(1000).optional(),
    outputDirs: OutputDirs.optional(),
    limits: RunLimits.optional(),
    metadata: Metadata.optional(),
    idempotencyKey: z
      .string()
      .max(255)
      .refine(nonBlank, "must not be blank")
      .optional()
      .describe("Also accepted as the header Idempotency-Key"),
    secrets: RunSecrets.optional(),
  })
  .meta({ id: "RunSubmission" });
export type RunSubmission = z.input<typeof RunSubmission>;

/** An input file as the run keeps it: by digest, wherever its bytes came from. */
export const PlacedFile = z.strictObject({
  path: z.string(),
  sha256: Digest,
  bytes: z.int(),
  executable: z.boolean(),
});
export type PlacedFile = z.infer<typeof PlacedFile>;

/** What a run without a model does: one program of an artifact, and then it ends. */
export const RunProgram = z.strictObject({
  artifact: z.string().describe("art_… or ar.…"),
  entrypoint: z.string().optional(),
  command: z.string().optional(),
  args: z.array(z.string()),
  prove: z.boolean().describe("Keep what came of it as evidence"),
});
export type RunProgram = z.infer<typeof RunProgram>;

/** The model of a run that has none. */
export const noModel = "none";

/**
 * The submission as the gateway understood it: parsed, normalised, defaults left out, without secrets. Its canonical JSON
 * is what an idempotency key is compared on, so spelling, key order and rotated credentials never make a new run.
 */
export const RunSnapshot = z
  .strictObject({
    model: z.string(),
    fallbackModel: z.string().optional(),
    prompt: z.array(z.string()),
    system: z.string().optional(),
    agent: InlineAgent.optional(),
    grant: z.array(Capability).optional(),
    files: z.array(PlacedFile).optional(),
    outputDirs: z.array(z.string()).optional(),
    limits: RunLimits.optional(),
    metadata: Metadata.optional(),
    program: RunProgram.optional().describe("In place of a model, which is then `none`"),
  })
  .meta({ id: "RunSnapshot" });
export type RunSnapshot = z.infer<typeof RunSnapshot>;
