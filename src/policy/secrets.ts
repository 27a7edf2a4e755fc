import type { DecisionReason } from "../contract/explanation.ts";
import type { Need, Power } from "./need.ts";
import { reason, shown } from "./reasons.ts";

type Secrets = Pick<Extract<Need, { type: "CodeExecution" }>, "secrets">;

/** The secrets that a call wants and that its agent's manifest does not name. */
export function undeclaredSecrets(
  { secrets }: Secrets,
  { credentialEnv }: Pick<Power, "credentialEnv">,
): DecisionReason[] {
  if (credentialEnv === undefined) return [];
  return secrets
    .filter((name) => !credentialEnv.includes(name))
    .map((name) =>
      reason("secret_not_declared", `The agent's credential_env does not have ${shown(name)}`, {
        ...{ token: name, change: `Add ${shown(name)} to the agent's credential_env` },
      }),
    );
}

/**
 * Code that holds a secret can write it down in a spelling that nobody looks for, with or without a network. So a person
 * is asked whatever else is allowed, and reads which secrets it is about.
 */
export function secretAsked({ secrets }: Secrets): DecisionReason[] {
  if (secrets.length === 0) return [];
  const [first = ""] = secrets;
  const names = secrets.map(shown).join(", ");
  const what = secrets.length === 1 ? `the secret ${names}` : `the secrets ${names}`;
  return [
    reason("secret_in_environment", `It would have ${what} in its environment`, {
      ...(secrets.length === 1 ? { token: first } : {}),
      change: "Declare a proxy endpoint for the upstream: then no code of the run sees the secret",
    }),
  ];
}
