/**
 * What programs may name beside the client itself. `sdk.ts` exports all of it again.
 */
export type {
  Approval,
  ApprovalDetail,
  ApprovalScope,
  ApprovalStatus,
} from "../contract/approval.ts";
export type { Artifact } from "../contract/artifact.ts";
export type { ArtifactProof } from "../contract/artifact-proof.ts";
export type { AttestationKey } from "../contract/attestation.ts";
export type { LiveEvent, RunEvent } from "../contract/event.ts";
export { isEvent, liveEventTypes } from "../contract/event.ts";
export type { ExplainRequest, Explanation } from "../contract/explanation.ts";
export type { Agent, AgentDetail } from "../contract/installed-agent.ts";
export type { Interaction, InteractionStatus } from "../contract/interaction.ts";
export type { Abi, Layer } from "../contract/layer.ts";
export type { Output } from "../contract/output.ts";
export type { ProxyCall, ProxyEnvelope, ProxyErrorCode } from "../contract/proxy-call.ts";
export {
  type ProxyAuthProblem,
  type ProxyEndpointAuth,
  validateProxyAuth,
} from "../contract/proxy-endpoint.ts";
export type { EndStatus, Run, RunStatus } from "../contract/run.ts";
export { isEnd } from "../contract/run.ts";
export type { RunTree, RunTreeNode } from "../contract/run-tree.ts";
export type { KeyRotation, SecretInfo } from "../contract/secret.ts";
export type { RunBudget } from "../contract/submission.ts";
export type { Scope, Token, Whoami } from "../contract/token.ts";
export type { DoctorReport, GcReport, VerifyReport } from "../contract/upkeep.ts";
export type { AgentCalls, AgentFolder, AgentFolderFile, AgentSource } from "./agents.ts";
export type { ApprovalCalls, ApprovalListOptions, ApproveOptions } from "./approvals.ts";
export type { ArtifactCalls, ArtifactCreateOptions, ArtifactExportOptions } from "./artifacts.ts";
export * from "./bundles.ts";
export type { DownloadOptions } from "./download.ts";
export * from "./errors.ts";
export type { SavedFile } from "./files.ts";
export type { ForkOptions } from "./fork.ts";
export * from "./guards.ts";
export type { InputSource } from "./input-files.ts";
export type { AnswerOptions, InteractionCalls, InteractionListOptions } from "./interactions.ts";
export type { LayerCalls, LayerImportOptions, LayerSource } from "./layers.ts";
export {
  McpServer,
  type McpServerDeclaration,
  type McpServerOptions,
  type McpServerSource,
} from "./mcp-server.ts";
export type { ClientOptions } from "./options.ts";
export type { ProxyCallPage, ProxyRequest } from "./proxy-calls.ts";
export {
  type BasicOptions,
  type BearerOptions,
  type HeaderOptions,
  ProxyEndpoint,
  type ProxyEndpointDeclaration,
  type ProxyEndpointOptions,
  type ProxyEndpointSource,
  type QueryOptions,
} from "./proxy-endpoint.ts";
export {
  containsSecretLikeValue,
  type RedactOptions,
  redactSecrets,
  redactString,
} from "./redact.ts";
export { createRedactingStream } from "./redacting-stream.ts";
export { RunRef } from "./run-ref.ts";
export { SecretString } from "./secret-string.ts";
export type { SecretCalls } from "./secrets.ts";
export { type OutputSelector, selectOutput } from "./selector.ts";
export type { StreamOptions } from "./stream.ts";
export type { SubmitOptions } from "./submit.ts";
export type { WaitOptions } from "./wait.ts";
