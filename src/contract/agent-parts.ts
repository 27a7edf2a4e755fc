import { z } from "zod";

/** The model of an agent. `provider` and `model` decide; an operator may map them, which is recorded on the run. */
export const LlmConfig = z
  .strictObject({
    provider: z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "expected a provider, such as anthropic"),
    model: z.string().min(1).max(200),
    temperature: z.number().min(0).max(2).optional(),
    fallback_provider: z.string().min(1).max(64).optional(),
    fallback_model: z.string().min(1).max(200).optional(),
    chat_only: z.boolean().optional(),
    context_window_tokens: z.int().min(1).optional(),
  })
  .meta({ id: "LlmConfig" });
export type LlmConfig = z.infer<typeof LlmConfig>;

/** A JSON Schema, draft 2020-12, as it is written. */
const JsonSchema = z.union([z.boolean(), z.record(z.string(), z.json())]);

/** What an agent promises about its answer. */
export const OutputPolicy = z
  .strictObject({
    required_artifacts: z.array(z.string().min(1).max(512)).max(100).optional(),
    max_artifacts: z.int().min(1).max(100).optional(),
    max_total_size_mb: z.number().positive().optional(),
    max_reply_length_chars: z.int().min(1).optional(),
    output_schema: JsonSchema.optional(),
    prohibited_text_patterns: z.array(z.string().min(1).max(1000)).max(100).optional(),
    min_artifact_builds: z.int().min(0).max(32).optional(),
    repair: z
      .strictObject({
        auto: z.boolean().optional(),
        max_attempts: z.int().min(0).max(8).optional(),
      })
      .optional(),
    validation_max_loops: z.int().min(1).max(8).optional(),
    validation_max_duration_ms: z.int().min(0).max(86_400_000).optional(),
  })
  .meta({ id: "OutputPolicy" });

export const AgentIo = z
  .strictObject({
    accepts: JsonSchema.optional().describe("What its input must be: JSON Schema 2020-12"),
    returns: JsonSchema.optional(),
    output_policy: OutputPolicy.optional(),
  })
  .meta({ id: "AgentIo" });
export type AgentIo = z.infer<typeof AgentIo>;
