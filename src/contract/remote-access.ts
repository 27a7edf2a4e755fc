import { z } from "zod";

/** The languages whose files are looked through. Shell commands always are. */
export const remoteAccessLanguages = ["python", "javascript", "rust", "go"] as const;
export type RemoteAccessLanguage = (typeof remoteAccessLanguages)[number];

const words = z.array(z.string().min(1).max(200)).max(256);

/**
 * What an agent's manifest says of the network. The lists add to what the analysis knows already; they permit nothing.
 * `targets` narrows `NetworkAccess`: a host that is in neither is asked for. `approval_mode` is what happens to a call
 * whose findings are not covered: `require` asks a person, `deny` refuses, and `preapproved` says that what `NetworkAccess`
 * and `targets` cover needs nobody (which is so in every mode) and asks for the rest.
 */
export const RemoteAccess = z
  .strictObject({
    approval_mode: z.enum(["preapproved", "require", "deny"]).optional(),
    targets: z
      .array(
        z.discriminatedUnion("kind", [
          z.strictObject({ kind: z.literal("any") }),
          z.strictObject({ kind: z.literal("host"), host: z.string().min(1).max(300) }),
        ]),
      )
      .max(256)
      .optional(),
    enabled_languages: z.array(z.enum(remoteAccessLanguages)).optional(),
    python_imports: words.optional(),
    js_imports: words.optional(),
    rust_imports: words.optional(),
    go_imports: words.optional(),
    function_calls: words.optional(),
    shell_commands: words.optional(),
    package_manager_commands: words.optional(),
  })
  .meta({ id: "RemoteAccess" });
export type RemoteAccess = z.infer<typeof RemoteAccess>;
