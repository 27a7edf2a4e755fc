import { z } from "zod";
import { AgentId } from "./agent.ts";
import { Digest } from "./ids.ts";
import { InputFile } from "./submission.ts";

/** What a caller sends to `POST /api/agents`: the folder of an agent, with a `SKILL.md` at its top. */
export const AgentInstall = z
  .strictObject({
    files: z
      .array(InputFile)
      .min(1)
      .max(256)
      .describe("Paths within the folder. `runtime.lock` is made by the gateway and refused here"),
  })
  .meta({ id: "AgentInstall" });
export type AgentInstall = z.input<typeof AgentInstall>;

/** A revision by its digest, or by its number. */
export const AgentRevisionRef = z
  .string()
  .regex(
    /^(sha256:[0-9a-f]{64}|[1-9][0-9]{0,8})$/,
    "expected sha256: and 64 hex digits, or the number of a revision",
  );

/** The folder of an agent with its bytes, as `POST /api/agents` takes it. `SKILL.md` is first. */
export const AgentExport = z
  .object({
    id: AgentId,
    revision: Digest,
    files: z.array(
      z.object({
        path: z.string(),
        contentBase64: z.base64(),
        sha256: Digest,
        executable: z.boolean(),
      }),
    ),
  })
  .meta({ id: "AgentExport" });
export type AgentExport = z.infer<typeof AgentExport>;
