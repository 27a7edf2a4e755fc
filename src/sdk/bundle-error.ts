import type { BundleProblem } from "../contract/bundle.ts";
import { AirlockError } from "./errors.ts";

/** How many problems a message tells; all of them are in `problems`. */
const told = 3;

/**
 * A bundle that no gateway would take: found on this machine, before anything was sent. The message names the file and the
 * rule, `problems` (and `details.problems`) has all of them.
 */
export class SkillBundleValidationError extends AirlockError {
  override name = "SkillBundleValidationError";
  readonly problems: readonly BundleProblem[];

  /** `what` is the bundle, as `Skill "rules"`. */
  constructor(what: string, problems: readonly BundleProblem[]) {
    const shown = problems.slice(0, told).map(sentence);
    const more = problems.length - shown.length;
    super({
      code: "bundle_invalid",
      message: `${what}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
      details: { problems },
    });
    this.problems = problems;
  }
}

function sentence({ path, message }: BundleProblem): string {
  return path === null ? `it ${message}` : `${JSON.stringify(path.slice(0, 600))} ${message}`;
}
