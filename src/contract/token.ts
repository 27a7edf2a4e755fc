import { z } from "zod";
import { TokenId, WorkspaceId } from "./ids.ts";

/** What a token opens: `runs` everything about runs, `approve` answering for people, `admin` tokens and upkeep. */
export const scopes = ["runs", "approve", "admin"] as const;
export const Scope = z.enum(scopes).meta({ id: "Scope" });
export type Scope = z.infer<typeof Scope>;

export const Token = z
  .object({
    id: TokenId,
    name: z.string(),
    workspaceId: WorkspaceId,
    workspaceName: z.string(),
    scopes: z.array(Scope),
    createdAt: z.iso.datetime(),
    revokedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Token" });
export type Token = z.infer<typeof Token>;

export const NewToken = z
  .strictObject({
    name: z.string().min(1).max(128),
    scopes: z.array(Scope).min(1),
    workspace: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected 1 to 63 lower-case letters, digits and -")
      .optional()
      .describe("The workspace's name; it is made when there is none. Default: the caller's own"),
  })
  .meta({ id: "NewToken" });
export type NewToken = z.infer<typeof NewToken>;

export const Whoami = z
  .object({
    principalType: z.literal("api_token"),
    workspaceId: WorkspaceId,
    workspaceName: z.string(),
    tokenId: TokenId,
    tokenName: z.string(),
    scopes: z.array(Scope),
    caps: z.object({
      maxConcurrentRuns: z.int().describe("Runs of this workspace that work at the same time"),
      maxRunDurationMs: z.int(),
    }),
  })
  .meta({ id: "Whoami" });
export type Whoami = z.infer<typeof Whoami>;
