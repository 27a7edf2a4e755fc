import type { Output } from "../contract/output.ts";
import { AirlockError } from "./errors.ts";

/**
 * Which output: by id, or by where it was in the sandbox: the whole path, or, with `match:
 * "suffix"`, the last segments of it. An `Output` is a selector too.
 */
export type OutputSelector = { id: string } | { path: string; match?: "exact" | "suffix" };

/**
 * The one output whose path is meant. Backslashes count as slashes and a leading slash counts for
 * nothing; a suffix begins at a segment. Throws `output_not_found`, or `output_ambiguous` with the
 * paths in `details`.
 */
export function selectOutput(
  outputs: readonly Output[],
  selector: { path: string; match?: "exact" | "suffix" },
): Output {
  const wanted = normal(selector.path);
  if (wanted === "") {
    throw new AirlockError({ code: "invalid_request", message: "path: must not be empty" });
  }
  const found = outputs.filter((output) => {
    const path = normal(output.path);
    return path === wanted || (selector.match === "suffix" && path.endsWith(`/${wanted}`));
  });
  const [only] = found;
  if (only && found.length === 1) return only;
  const shown = JSON.stringify(selector.path);
  const paths = (only ? found : outputs).map((output) => output.path).slice(0, 100);
  throw new AirlockError(
    only
      ? {
          code: "output_ambiguous",
          message: `${found.length} outputs match ${shown}; give a longer path or an id`,
          details: { matches: paths },
        }
      : {
          code: "output_not_found",
          message: `No output matches ${shown}`,
          details: { outputs: paths },
        },
  );
}

function normal(path: string): string {
  return path.replaceAll("\\", "/").replace(/^\/+/, "");
}
