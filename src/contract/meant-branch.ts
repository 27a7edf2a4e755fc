import type { z } from "zod";

/** One thing that is wrong with a value. */
export type Issue = z.core.$ZodIssue;

/**
 * What is wrong with a value that may be one of several things: the issues of the branch that its writer meant, or nothing
 * when it is of none of their types. Meant is the branch with the least to complain of; a member that a branch does not know
 * counts for itself, so that the members of one thing are not taken for mistakes in another one.
 */
export function meantBranch(issue: Issue): readonly Issue[] | undefined {
  if (issue.code !== "invalid_union") return undefined;
  const fitting = issue.errors.filter((branch) => !branch.some(isWrongType));
  return fitting.toSorted((a, b) => weight(a) - weight(b))[0];
}

function weight(branch: readonly Issue[]): number {
  return branch.reduce(
    (sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1),
    0,
  );
}

function isWrongType(issue: Issue): boolean {
  return issue.code === "invalid_type" && issue.path.length === 0;
}
