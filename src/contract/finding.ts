import { z } from "zod";

/** What a finding is about. `opaque`: code that hides what it does, so that nobody can say what it reaches. */
export const findingKinds = [
  "import",
  "call",
  "url",
  "address",
  "command",
  "package_manager",
  "opaque",
] as const;

/**
 * A place in a command or a file that points to the network. Findings are advice, so that a person is asked a good
 * question; what is reached is decided by the network namespace.
 */
export const Finding = z
  .object({
    kind: z.enum(findingKinds),
    file: z.string().nullable().describe("Path inside the sandbox; null: the command itself"),
    line: z.int().min(1),
    pattern: z.string().describe("What stands there, shortened"),
    host: z
      .string()
      .nullable()
      .describe("host:port, lower-case, when it is known: `example.org:443`"),
    reason: z.string(),
  })
  .meta({ id: "Finding" });
export type Finding = z.infer<typeof Finding>;
