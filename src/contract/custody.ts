import { z } from "zod";

/** What kind of secret a run was given. */
export const secretClasses = [
  "provider_api_key",
  "proxy_endpoint_auth",
  "mcp_credential",
  "credential_env",
  "run_token",
] as const;

/**
 * What became of each secret that a run was given, by name: written down with the end of the run. `destroyed`: its row is
 * overwritten and gone, in the transaction of that event. Secrets of the workspace are not among them: they are not the run's.
 */
export const Custody = z
  .array(
    z.object({
      class: z.enum(secretClasses),
      name: z.string(),
      disposition: z.enum(["destroyed", "cleanup_failed"]),
    }),
  )
  .meta({ id: "Custody" });
export type Custody = z.infer<typeof Custody>;
