/**
 * For programs that were written for the founding package's 0.8: change the line that imports it, and the address if it gives
 * one, and they go on. It is a layer of names over `AirlockClient`, with no request of its own; what is not here
 * (`createOutputLink`, assets, debug logs) the gateway does not have. New programs use `AirlockClient`.
 */
export { AntpathClient, type AntpathClientOptions } from "./compat/client.ts";
export type { DownloadOptions, RunEventRecord, RunOutput, RunRecord } from "./compat/records.ts";
export { type CompatRunStatus, isTerminal } from "./compat/records.ts";
export { RunRef } from "./compat/run-ref.ts";
export type { RunTemplate, SubmitRunOptions } from "./compat/submit-options.ts";
export {
  AgentsMd,
  AirlockError as AntpathError,
  ApiError as AntpathApiError,
  ApiError as HttpError,
  AuthError,
  containsSecretLikeValue,
  createRedactingStream,
  File,
  IdempotencyConflictError,
  isAuthError,
  isEvent,
  isIdempotencyConflict,
  isInsufficientScope,
  isNotFound,
  isRateLimited,
  isRunError,
  isRunFinished,
  isRunStarted,
  McpServer,
  NetworkError,
  NotFoundError,
  ProxyEndpoint,
  RateLimitError,
  redactSecrets,
  redactString,
  SecretString,
  Skill,
  SkillBundleValidationError,
  TimeoutError,
  validateProxyAuth,
} from "./sdk.ts";

/** The hosts that a program must be able to reach to use the gateway at `baseUrl`, each once. A bad address throws. */
export function buildPlatformAllowedHosts({
  baseUrl,
  extraHosts = [],
}: {
  baseUrl: string;
  extraHosts?: readonly string[];
}): string[] {
  return [...new Set([new URL(baseUrl).host, ...extraHosts])];
}
