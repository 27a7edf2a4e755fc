import { z } from "zod";
import { CallId, Digest } from "./ids.ts";

/** What code in a sandbox can ask of the gateway through the SDK; the names of `SandboxFunctions` begin with the same words. */
export const sdkMethods = [
  "memory.read",
  "memory.write",
  "memory.list_keys",
  "knowledge.remember",
  "knowledge.recall",
  "knowledge.search",
  "state.checkpoint",
  "state.get_checkpoint",
  "events.emit",
] as const;
export const SdkMethod = z.enum(sdkMethods);
export type SdkMethod = z.infer<typeof SdkMethod>;

export const FactVisibility = z.enum(["private", "shared", "global"]);

/** A fact as it was written. */
export const WrittenFact = z.object({
  id: z.string(),
  scope: z.string(),
  owner: z.string().describe("The agent; `inline:` and `run:` stand before what is not installed"),
  content: z.unknown(),
  content_hash: Digest.describe("Of its canonical JSON"),
  tags: z.array(z.string()),
  visibility: FactVisibility,
  shared_with: z.array(z.string()),
});
export type WrittenFact = z.infer<typeof WrittenFact>;

/** A value that an agent keeps for itself, as it was written. */
export const WrittenState = z.object({
  owner: z.string(),
  kind: z.enum(["memory", "checkpoint"]),
  key: z.string(),
  value: z.unknown(),
  value_hash: Digest,
});
export type WrittenState = z.infer<typeof WrittenState>;

/** One call of the SDK that was decided. */
export const SdkCalled = z.object({
  call_id: CallId.nullable(),
  method: SdkMethod,
  decision: z.enum(["allow", "deny"]),
  rule: z.string(),
  asked: z.record(z.string(), z.unknown()).describe("Without what was to be written"),
  found: z.int().optional().describe("How much a question found"),
  fact: WrittenFact.optional(),
  state: WrittenState.optional(),
  emitted: z.object({ type: z.string(), data: z.unknown() }).optional(),
});
export type SdkCalled = z.infer<typeof SdkCalled>;
