import { readFileSync } from "node:fs";
import { z } from "zod";
import { ConfigError } from "../base/config.ts";
import { Capability } from "../contract/agent.ts";
import { Problem } from "../contract/problem.ts";
import { checkHosts } from "./check-hosts.ts";

const Grant = z.array(Capability).max(64);

/**
 * The most that any run of this gateway may do, whatever its submission says (I13): a file with a list of capabilities.
 * Undefined without a file: then the submission alone bounds its run. Throws a `ConfigError` that names what is wrong.
 */
export function readOperatorGrant(path: string | undefined): Capability[] | undefined {
  if (path === undefined) return undefined;
  const refuse = (why: string) =>
    new ConfigError(`Cannot use the grant of AIRLOCK_GRANT=${path}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const parsed = Grant.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refuse(`${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
  }
  try {
    checkHosts("grant", parsed.data);
  } catch (error) {
    throw error instanceof Problem ? refuse(error.message) : error;
  }
  return parsed.data;
}
