import { randomBytes } from "node:crypto";
import type { ProxyAuthValue } from "../contract/proxy-endpoint.ts";
import { SecretValue } from "../contract/secret.ts";
import { type Provider, providers, type RunSecrets } from "../contract/submission.ts";
import type { Vault } from "../egress/egress.ts";

/** A secret of a run, by the name under which it is sealed. */
export interface NamedSecret {
  name: string;
  value: string;
  /** Made by the gateway. */
  own?: true;
}

/** What a sealed secret is bound to: it cannot be opened as another run's or as another one of the same run. */
export function secretContext(runId: string, name: string): string {
  return `${runId}/${name}`;
}

/** The names under which the secrets of a run are sealed. */
export const secretNames = {
  /** What its own code shows to the proxy: nobody else's code has it. */
  runToken: "run_token",
  /** Worth nothing: honest code has no reason to read it, so whoever passes it on has looked for credentials. */
  canary: "canary",
  baseUrl: (provider: Provider) => `${provider}/base_url`,
  proxy: (endpoint: string) => `proxy/${endpoint}`,
  mcp: (server: string) => `mcp/${server}`,
  env: (name: string) => `env/${name}`,
};

/** Everything of a submission that nobody may read, and the two secrets that every run has of its own. */
export function secretsOf(given: RunSecrets | undefined): NamedSecret[] {
  const named: NamedSecret[] = [
    ownSecret(secretNames.runToken, "airlock_run"),
    ownSecret(secretNames.canary, "airlock_live"),
  ];
  for (const provider of providersOf(given)) {
    const secret = given?.[provider];
    if (secret === undefined) continue;
    named.push({ name: provider, value: secret.apiKey });
    if (secret.baseUrl !== undefined) {
      named.push({ name: secretNames.baseUrl(provider), value: secret.baseUrl });
    }
  }
  for (const { name, ...credential } of given?.proxyEndpointAuth ?? []) {
    named.push({ name: secretNames.proxy(name), value: JSON.stringify(credential) });
  }
  for (const { name, headers } of given?.mcpServers ?? []) {
    named.push({ name: secretNames.mcp(name), value: JSON.stringify(headers) });
  }
  for (const [name, value] of Object.entries(given?.env ?? {})) {
    named.push({ name: secretNames.env(name), value });
  }
  return named;
}

function ownSecret(name: string, prefix: string): NamedSecret {
  return { name, value: `${prefix}_${randomBytes(32).toString("base64url")}`, own: true };
}

/** The parts of a credential that nobody may see. */
export function secretParts(value: ProxyAuthValue): string[] {
  if (value.type === "bearer") return [value.token];
  if (value.type !== "basic") return [value.value];
  return [value.password, Buffer.from(`${value.username}:${value.password}`).toString("base64")];
}

/** The same of headers: a server may repeat a token without the word before it. */
export function headerParts(headers: Readonly<Record<string, string>>): string[] {
  return Object.values(headers).flatMap((value) => {
    const token = /^[A-Za-z][A-Za-z-]*\s+(\S.*)$/.exec(value)?.[1];
    return token !== undefined && SecretValue.safeParse(token).success ? [value, token] : [value];
  });
}

/** Every value of a submission that is spent, none of which may stand anywhere else in it. */
export function spentValues(given: RunSecrets | undefined): string[] {
  return [
    ...providersOf(given).flatMap((provider) => given?.[provider]?.apiKey ?? []),
    ...(given?.proxyEndpointAuth ?? []).flatMap((auth) =>
      "value" in auth ? secretParts(auth.value) : [],
    ),
    ...(given?.mcpServers ?? []).flatMap(({ headers }) => headerParts(headers)),
    ...Object.values(given?.env ?? {}),
  ];
}

/** The providers for which a submission brings a key of its own. */
export function providersOf(given: RunSecrets | undefined): Provider[] {
  return providers.filter((provider) => given?.[provider] !== undefined);
}

/** Seals each for its own use. */
export function sealSecrets(
  vault: Vault,
  runId: string,
  secrets: readonly NamedSecret[],
): { name: string; sealed: Uint8Array; own: boolean }[] {
  return secrets.map(({ name, value, own = false }) => ({
    ...{ name, own },
    sealed: vault.seal(value, secretContext(runId, name)),
  }));
}
