import { CommanderError } from "commander";
import picocolors from "picocolors";
import { ConfigError } from "../base/config.ts";
import { Problem } from "../contract/problem.ts";
import {
  AirlockError,
  AirlockNetworkError,
  AirlockTimeoutError,
  isApprovalAnswered,
  isIdempotencyConflict,
} from "../sdk/sdk.ts";
import { CliError, exit } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { plain, plainJson } from "./plain.ts";
import { hasColor } from "./print.ts";

interface Told {
  code: string;
  message: string;
  remedy?: string | undefined;
  status?: number | undefined;
  requestId?: string | undefined;
  details?: Record<string, unknown> | undefined;
}

/** Says on stderr what went wrong, as a sentence or as JSON, and gives the exit code for it. */
export function reportError(
  error: unknown,
  io: CliIo,
  options: { json: boolean; debug: boolean },
): number {
  const told = tell(error);
  if (options.json) {
    io.stderr.write(`${plainJson({ error: told })}\n`);
  } else {
    const color = picocolors.createColors(hasColor(io.stderr, io.env));
    const id = told.requestId ? color.dim(` (${plain(told.requestId)})`) : "";
    io.stderr.write(`${color.red("airlock:")} ${plain(told.message)}${id}\n`);
    if (told.remedy) io.stderr.write(`  ${plain(told.remedy)}\n`);
  }
  if (options.debug && error instanceof Error) io.stderr.write(`${plain(error.stack ?? "")}\n`);
  return exitCodeOf(error);
}

function tell(error: unknown): Told {
  if (error instanceof CliError) return pick(error, error.remedy);
  if (error instanceof AirlockError) return pick(error, remedyOf(error));
  if (error instanceof Problem) return pick(error);
  if (error instanceof ConfigError) return { code: "config", message: error.message };
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, "");
    const sentence = message.charAt(0).toUpperCase() + message.slice(1);
    return { code: "usage", message: sentence, remedy: "See `airlock --help`" };
  }
  return { code: "internal", message: error instanceof Error ? error.message : String(error) };
}

function pick(error: Told, remedy?: string): Told {
  const { code, message, status, requestId, details } = error;
  return { code, message, remedy, status, requestId, details };
}

function remedyOf(error: AirlockError): string | undefined {
  if (error instanceof AirlockNetworkError && error.code === "unreachable") {
    return "Start a gateway with `airlock serve`, or give its address with --url or AIRLOCK_URL";
  }
  if (error instanceof AirlockTimeoutError) {
    const { runId } = error;
    return `Wait again with \`airlock wait ${runId}\`, or end it with \`airlock cancel ${runId}\``;
  }
  if (isIdempotencyConflict(error) && error.existingRunId !== undefined) {
    return `The key belongs to ${error.existingRunId}`;
  }
  if (isApprovalAnswered(error) && error.approval) {
    const { id, answer } = error.approval;
    const by = answer?.answered_by ? ` by ${answer.answered_by}` : "";
    return `It is ${error.approval.status}${by}: \`airlock approvals show ${id}\``;
  }
  switch (error.code) {
    case "unauthorized":
      return "Give a valid token with --token or AIRLOCK_TOKEN";
    case "insufficient_scope":
      return "Use a token with the scope that is asked for: `airlock token create`";
    case "layer_in_use":
      return "See what needs it: `airlock artifacts list`";
    case "layer_unusable":
      return "See what is wrong with it: `airlock layers verify`";
    case "run_not_finished":
      return "Cancel it first: `airlock cancel`";
    case "model_credential_missing":
      return "Set the provider's key where the gateway runs, or give it with --<provider>-api-key";
    default:
      return undefined;
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof AirlockTimeoutError) return exit.deadline;
  if (error instanceof CommanderError || error instanceof ConfigError) return exit.usage;
  // Found wrong before anything was sent: the command was used wrongly.
  const local = error instanceof AirlockError && error.status === undefined;
  if (local && (error.code === "invalid_request" || error.code === "invalid_option")) {
    return exit.usage;
  }
  return exit.failed;
}
