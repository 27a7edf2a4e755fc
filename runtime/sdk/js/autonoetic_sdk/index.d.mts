export interface Invocation {
  /** Parsed when it is JSON, else its text; null without one. */
  input: unknown;
  hasRuntimeInput: boolean;
  has_runtime_input: boolean;
  meta: Record<string, unknown>;
}
export function loadInvocation(): Invocation;
export function load_invocation(): Invocation;

export class AutonoeticSdkError extends Error {
  errorType: string;
}
export class PolicyViolation extends AutonoeticSdkError {}
export class RateLimitExceeded extends AutonoeticSdkError {}
export class ApprovalRequiredError extends AutonoeticSdkError {
  secretName: string | null;
}

export interface Fact {
  id: string;
  scope: string;
  owner: string;
  content: unknown;
  tags: string[];
  visibility: "private" | "shared" | "global";
  updated_at: string;
}
export interface Memory {
  read(key: string, otherwise?: unknown): Promise<unknown>;
  write(key: string, value: unknown): Promise<{ ok: true; hash: string }>;
  listKeys(prefix?: string): Promise<string[]>;
  remember(
    id: string,
    content: unknown,
    options?: {
      scope?: string;
      tags?: readonly string[];
      visibility?: "private" | "shared" | "global";
      sharedWith?: readonly string[];
    },
  ): Promise<{ ok: true; id: string; content_hash: string }>;
  recall(id: string): Promise<unknown>;
  search(
    query?: string,
    options?: { scope?: string; tags?: readonly string[]; limit?: number },
  ): Promise<Fact[]>;
}
export interface Client {
  memory: Memory;
  knowledge: Memory;
  state: {
    checkpoint(value: unknown): Promise<{ ok: true; hash: string }>;
    getCheckpoint(otherwise?: unknown): Promise<unknown>;
  };
  events: { emit(type: string, data?: unknown): Promise<{ ok: true }> };
  secrets: unknown;
  message: unknown;
  files: unknown;
  artifacts: unknown;
  tasks: unknown;
  close(): void;
}
export function init(): Client;
