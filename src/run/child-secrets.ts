import type { OpenedSecrets } from "./opened-secrets.ts";
import { type NamedSecret, secretNames, secretsOf } from "./run-secrets.ts";

/**
 * What a task is given of the secrets of the run that starts it: the keys of models, because it runs on the same account,
 * and the secrets of the submission that its agent's manifest declares. Endpoints and MCP servers stay with the run that
 * they were given to, and so do their credentials.
 */
export function childSecrets(
  { modelKeys, ofRun }: Pick<OpenedSecrets, "modelKeys" | "ofRun">,
  declared: readonly string[],
): NamedSecret[] {
  const env = [...new Set(declared)].flatMap((name) => {
    const value = ofRun(name);
    return value === undefined ? [] : [{ name: secretNames.env(name), value }];
  });
  const keys = Object.entries(modelKeys).map(([name, value]) => ({ name, value }));
  return [...secretsOf(undefined), ...keys, ...env];
}
