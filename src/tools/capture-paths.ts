import { z } from "zod";
import { limits } from "../base/limits.ts";
import { mountProblem, nestedMounts } from "../base/mount-path.ts";

/** Directories that a command fills and that are then taken as layers. */
export const CapturePaths = z
  .array(
    z.strictObject({
      path: z
        .string()
        .describe(
          "The directory to take, below /tmp or /workspace; it is empty when the command starts",
        ),
      mount_as: z
        .string()
        .optional()
        .describe("A second place where an artifact has it, such as /opt/venv; default: only path"),
    }),
  )
  .min(1)
  .max(limits.capturePaths)
  .superRefine((captures, check) => {
    const refuse = (message: string, path: (string | number)[]) =>
      check.addIssue({ code: "custom", message, path });
    for (const [index, { path, mount_as }] of captures.entries()) {
      const problem = mountProblem(path) ?? wrongArea(path);
      if (problem !== undefined) refuse(`${JSON.stringify(path)} ${problem}`, [index, "path"]);
      const second = mount_as === undefined ? undefined : mountProblem(mount_as);
      if (second !== undefined) {
        refuse(`${JSON.stringify(mount_as)} ${second}`, [index, "mount_as"]);
      }
    }
    const nested = nestedMounts(captures.map(({ path }) => path));
    if (nested !== undefined) {
      refuse(`${JSON.stringify(nested[1])} lies inside ${JSON.stringify(nested[0])}`, []);
    }
  });
export type CapturePaths = z.infer<typeof CapturePaths>;

function wrongArea(path: string): string | undefined {
  if (path.startsWith("/tmp/") || path.startsWith("/workspace/")) return undefined;
  return "must be below /tmp or /workspace: a command can write nowhere else";
}
