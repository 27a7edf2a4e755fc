import { z } from "zod";

/**
 * What an agent may do, in the manifest's own words (snake_case, tagged by `type`, unknown members refused). Only the
 * capabilities that this version enforces are accepted: one that nobody enforces would be a promise nobody keeps.
 */
const Scopes = z
  .array(
    z
      .string()
      .regex(
        /^(\*|self\.\*|[A-Za-z0-9_][A-Za-z0-9_./-]*\*?)$/,
        "expected *, self.*, a content name or a name prefix ending in *",
      ),
  )
  .min(1)
  .max(64);

/**
 * A host that may be reached: `example.org`, `example.org:8443`, `*.example.org` (what is below it), an address, or `*`.
 * Without a port, 443 and 80.
 */
const NetworkHost = z
  .string()
  .max(300)
  .regex(/^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/, {
    error: ({ input }) =>
      `${JSON.stringify(input)} is no host: expected example.org, example.org:8443, *.example.org or *, without https://`,
  });

export const Capability = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("ReadAccess"), scopes: Scopes }),
    z.strictObject({ type: z.literal("WriteAccess"), scopes: Scopes }),
    z.strictObject({
      type: z.literal("CodeExecution"),
      patterns: z
        .array(
          z.literal("*", { error: 'expected "*": command patterns are not part of this version' }),
        )
        .min(1)
        .max(1),
    }),
    z.strictObject({
      type: z.literal("NetworkAccess"),
      hosts: z
        .array(NetworkHost)
        .max(256)
        .describe(
          "What commands may reach; everything else stays out of reach. * is any public host",
        ),
    }),
  ])
  .meta({ id: "Capability" });
export type Capability = z.infer<typeof Capability>;

/**
 * An agent carried by a submission: instructions and exactly the power it may use. Without one, a run uses the built-in
 * agent: code in the sandbox, its own content, no network.
 */
export const InlineAgent = z
  .strictObject({
    id: z
      .string()
      .regex(
        /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
        "expected letters, digits, - and _, in parts joined by dots",
      )
      .max(128)
      .optional(),
    name: z.string().min(1).max(128).optional(),
    description: z.string().max(1024).optional(),
    instructions: z.string().min(1),
    capabilities: z.array(Capability).max(32),
    limits: z
      .strictObject({
        max_memory_mb: z.int().min(16).max(1_048_576).optional(),
        max_execution_time_sec: z.int().min(1).max(604_800).optional(),
      })
      .optional(),
  })
  .meta({ id: "InlineAgent" });
export type InlineAgent = z.infer<typeof InlineAgent>;
