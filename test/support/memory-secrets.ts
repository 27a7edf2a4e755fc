import type { SecretInfo } from "../../src/contract/secret.ts";
import type { ProxyRoom, SecretsRoom } from "../../src/http/http.ts";

export interface MemorySecrets extends SecretsRoom {
  /** What would be spent: the only way to a value, and not on the wire. */
  valueOf(workspaceId: string, name: string): string | undefined;
}

/** Secrets of workspaces in memory: scoped, versioned, and without a way back to a value. */
export function memorySecrets(): MemorySecrets {
  const kept = new Map<string, { value: string; secret: SecretInfo }>();
  let key = 1;
  const at = (workspaceId: string, name: string) => `${workspaceId}/${name}`;
  return {
    async set(workspaceId, { name, value, setBy }) {
      const before = kept.get(at(workspaceId, name))?.secret;
      const updatedAt = new Date(1_000 * (before?.version ?? 0)).toISOString();
      const secret: SecretInfo = {
        ...{ name, version: (before?.version ?? 0) + 1, updatedAt, updatedBy: setBy },
        createdAt: before?.createdAt ?? updatedAt,
        maskedUntil: before ? "2030-01-08T00:00:00.000Z" : null,
      };
      kept.set(at(workspaceId, name), { value, secret });
      return { created: before === undefined, secret };
    },
    list: async (workspaceId) =>
      [...kept].flatMap(([key, { secret }]) =>
        key === at(workspaceId, secret.name) ? [secret] : [],
      ),
    get: async (workspaceId, name) => kept.get(at(workspaceId, name))?.secret,
    delete: async (workspaceId, name) => kept.delete(at(workspaceId, name)),
    async rotateKey() {
      key += 1;
      return { from: `key_${key - 1}`, to: `key_${key}`, resealed: kept.size };
    },
    valueOf: (workspaceId, name) => kept.get(at(workspaceId, name))?.value,
  };
}

/** What runs have that declared no endpoint. */
export const noProxy: ProxyRoom = {
  calls: async () => ({ rows: [], more: false }),
  async call({ endpoint, workspaceId }) {
    const error = workspaceId === null ? "unauthorized" : "endpoint_not_found";
    const message = "The run has no such endpoint";
    const body = JSON.stringify({ error, message, endpointName: endpoint });
    const headers = { "content-type": "application/json" };
    return { status: workspaceId === null ? 401 : 404, headers, body };
  },
};
