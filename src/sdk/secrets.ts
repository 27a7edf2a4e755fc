import { type KeyRotation, type SecretInfo, SecretName, SetSecret } from "../contract/secret.ts";
import { checkRequest } from "./submit.ts";
import type { Signal, Transport } from "./transport.ts";

/**
 * Secrets of the workspace: the gateway seals them, spends them and gives no value back. They need a token with the scope
 * `admin`.
 */
export interface SecretCalls {
  /**
   * Makes a secret, or replaces its value; `created` says which. The value before it is still cut out of everything until
   * `secret.maskedUntil`.
   */
  set(
    name: string,
    value: string,
    options?: Signal,
  ): Promise<{ created: boolean; secret: SecretInfo }>;
  /** When it was set, and by whom. */
  get(name: string, options?: Signal): Promise<SecretInfo>;
  list(options?: Signal): Promise<SecretInfo[]>;
  /** From now on nothing can be spent by this name. */
  delete(name: string, options?: Signal): Promise<void>;
  /** Seals every secret of the gateway, of all workspaces and runs, anew under a new key. */
  rotateKey(options?: Signal): Promise<KeyRotation>;
}

const root = "/api/secrets";

export function openSecretCalls(transport: Transport): SecretCalls {
  return {
    async set(name, value, { signal } = {}) {
      // Before it is a part of a path.
      checkRequest(SecretName, name, "name");
      checkRequest(SetSecret, { value });
      const request = { method: "PUT", path: at(name), json: { value }, hidden: [value] } as const;
      const set = await transport.json({ ...request, signal });
      return set as { created: boolean; secret: SecretInfo };
    },
    async get(name, { signal } = {}) {
      const found = await transport.json({ method: "GET", path: at(name), signal });
      return (found as { secret: SecretInfo }).secret;
    },
    async list({ signal } = {}) {
      const page = await transport.json({ method: "GET", path: root, signal });
      return (page as { secrets: SecretInfo[] }).secrets;
    },
    async delete(name, { signal } = {}) {
      await transport.json({ method: "DELETE", path: at(name), signal });
    },
    async rotateKey({ signal } = {}) {
      const request = { method: "POST", path: "/api/rotate-key", patient: true, signal } as const;
      return ((await transport.json(request)) as { report: KeyRotation }).report;
    },
  };
}

function at(name: string): string {
  return `${root}/${encodeURIComponent(name)}`;
}
