import { limits } from "../base/limits.ts";
import { CredentialEnv, credentialVariables } from "../contract/secret.ts";
import { secretVariableProblem } from "../sandbox/sandbox.ts";
import { failure, type ToolContext, type ToolOutcome } from "./tool.ts";

/** Secrets for the environment of a call, as a model asks for them. */
export const CredentialEnvArgument = CredentialEnv.superRefine((given, check) => {
  for (const variable of Object.keys(credentialVariables(given))) {
    const problem = secretVariableProblem(variable);
    if (problem === undefined) continue;
    const message = `${JSON.stringify(variable)} is reserved: ${problem}; map the secret to another variable`;
    check.addIssue({ code: "custom", message });
  }
})
  .optional()
  .describe(
    "Secrets that this call has in its environment, by name, or as variable to name; a person is asked each time, and a proxy endpoint is the better way where there is one",
  );

/** Environment variable to name of a secret; empty when there are none. */
export function secretsOf(given: CredentialEnv | undefined): Record<string, string> {
  return given === undefined ? {} : credentialVariables(given);
}

/**
 * The values for the variables, opened in the moment of the start and given to nothing but the command; or the result that
 * says which of them are not there (any more).
 */
export async function openSecrets(
  context: Pick<ToolContext, "secretValues" | "secretNames">,
  secrets: Readonly<Record<string, string>>,
): Promise<
  { ok: true; values: Record<string, string> } | { ok: false; result: ToolOutcome["result"] }
> {
  const names = [...new Set(Object.values(secrets))];
  if (names.length === 0) return { ok: true, values: {} };
  const opened = await context.secretValues(names);
  const missing = names.filter((name) => !Object.hasOwn(opened, name));
  if (missing.length > 0) {
    return { ok: false, result: secretNotFound(missing, await context.secretNames()) };
  }
  const values = Object.entries(secrets).map(([variable, name]) => [variable, opened[name] ?? ""]);
  const bytes = values.reduce((sum, [, value = ""]) => sum + Buffer.byteLength(value), 0);
  if (bytes > limits.secretEnvironmentBytes) return { ok: false, result: tooMuch(bytes) };
  return { ok: true, values: Object.fromEntries(values) };
}

function tooMuch(bytes: number): ToolOutcome["result"] {
  return failure(
    "validation",
    `The secrets of the call have ${bytes} bytes, expected at most ${limits.secretEnvironmentBytes}`,
    "Ask for fewer of them in one call",
  );
}

/** `known` are the names that the agent may ask for. */
export function secretNotFound(
  missing: readonly string[],
  known: readonly string[],
): ToolOutcome["result"] {
  const named = missing.map((name) => JSON.stringify(name)).join(", ");
  const there = known.length === 0 ? "none" : [...known].sort().join(", ");
  return failure(
    "resource",
    `There is no secret ${named}`,
    `Use one of the secrets that there are (${there}), or do without`,
    { error: "secret_not_found", missing: [...missing], secrets: [...known].sort() },
  );
}
