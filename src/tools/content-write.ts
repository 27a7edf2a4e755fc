import { z } from "zod";
import { limits } from "../base/limits.ts";
import { contentAlias, contentNameProblem } from "../content/content.ts";
import { failure, type Tool } from "./tool.ts";

const ContentWrite = z.strictObject({
  name: z
    .string()
    .superRefine((name, check) => {
      const problem = contentNameProblem(name);
      if (problem) check.addIssue({ code: "custom", message: problem });
    })
    .describe(
      "A file name, with / for directories; the file is at /tmp/<name> for the next command",
    ),
  content: z
    .string()
    .refine(
      (content) => content.isWellFormed(),
      "must be well-formed Unicode: it has a lone surrogate",
    )
    .refine(
      (content) => Buffer.byteLength(content) <= limits.contentBytes,
      `exceeds ${limits.contentBytes} bytes`,
    )
    .describe("The whole text of the file"),
  visibility: z
    .enum(["private", "session"], {
      error: "expected private (this run alone) or session (the whole run tree)",
    })
    .optional()
    .describe("session (default): shared with the runs of this tree; private: this run's alone"),
});
type ContentWrite = z.infer<typeof ContentWrite>;

export const contentWrite: Tool<ContentWrite> = {
  name: "content_write",
  description: "Writes a text file. Writing the same name again replaces it.",
  input: ContentWrite,
  repeatable: true,
  capability: "WriteAccess",
  wants: ({ name }) => ({ type: "WriteAccess", name }),

  async run({ name, content, visibility = "session" }, { blobs, holdsSecret }) {
    const data = Buffer.from(content, "utf8");
    // What was known when the model said it is cut out already; this is for what has become known since.
    if (holdsSecret(data)) {
      const hint =
        "Leave it out: a command gets a secret by credential_env, or uses a proxy endpoint";
      const message = `Cannot write ${JSON.stringify(name)}: the text holds a secret`;
      return { result: failure("permission", message, hint, { error: "contains_secret" }) };
    }
    const { sha256, bytes } = await blobs.put(data);
    return {
      result: {
        ok: true,
        handle: sha256,
        alias: contentAlias(sha256),
        name,
        bytes_written: bytes,
        visibility,
      },
      content: [{ name, visibility, sha256, bytes }],
    };
  },
};
