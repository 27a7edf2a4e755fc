import { z } from "zod";
import { Capability } from "./agent.ts";
import { Finding } from "./finding.ts";
import { RemoteAccess } from "./remote-access.ts";
import { SecretName } from "./secret.ts";

/** One reason of a decision: the rule, the token of the command that met it, and what would have to be other. */
export const DecisionReason = z
  .object({
    rule: z
      .string()
      .describe("A stable name, such as `pattern_missing` or `forbidden_destructive`"),
    message: z.string(),
    token: z.string().nullable(),
    offset: z.int().nullable().describe("Of the token in the command, in UTF-16 code units"),
    narrowest_change: z
      .string()
      .nullable()
      .describe("The least that would allow it, in words; null when nothing would"),
    capability: Capability.nullable().describe(
      "The same as a capability to add, where one would do",
    ),
  })
  .meta({ id: "DecisionReason" });
export type DecisionReason = z.infer<typeof DecisionReason>;

export const decisions = ["allow", "ask", "deny"] as const;
export const DecisionWord = z.enum(decisions);

/** A question to the policy about a call that nobody makes. */
export const ExplainRequest = z
  .strictObject({
    tool: z.string().min(1).max(128),
    arguments: z.record(z.string(), z.unknown()),
    agent: z
      .strictObject({
        capabilities: z.array(Capability).max(32),
        remote_access: RemoteAccess.optional(),
        credential_env: z.array(SecretName).max(64).optional(),
      })
      .optional()
      .describe("Default: the built-in agent"),
    grant: z
      .array(Capability)
      .max(32)
      .optional()
      .describe("The grant of the run tree. Default: no bound"),
    files: z
      .array(z.strictObject({ name: z.string().min(1).max(512), content: z.string() }))
      .max(200)
      .optional()
      .describe("What lies in /tmp under these names"),
  })
  .meta({ id: "ExplainRequest" });
export type ExplainRequest = z.infer<typeof ExplainRequest>;

export const Explanation = z
  .object({
    decision: DecisionWord,
    rule: z.string(),
    reasons: z.array(DecisionReason),
    commands: z
      .array(
        z.object({
          text: z.string(),
          program: z.string().nullable(),
          offset: z.int(),
          via: z.array(z.string()),
        }),
      )
      .describe("Every simple command that was found, wrappers taken off"),
    findings: z.array(Finding),
    hosts: z.array(z.string()),
  })
  .meta({ id: "Explanation" });
export type Explanation = z.infer<typeof Explanation>;
