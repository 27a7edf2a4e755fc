import { CommanderError } from "commander";
import picocolors from "picocolors";
import { ConfigError } from "../base/config.ts";
import { Problem } from "../contract/problem.ts";
import {
  AirlockError,
  isApprovalAnswered,
  isIdempotencyConflict,
  NetworkError,
  TimeoutError,
} from "../sdk/sdk.ts";
import { CliError, exit } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { plain, plainJson, plainLine } from "./plain.ts";
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
  options: { json: boolean; debug: boolean; command: string },
): number {
  const told = tell(error, options.command);
  if (options.json) {
    io.stderr.write(`${plainJson({ error: told })}\n`);
  } else {
    const color = picocolors.createColors(hasColor(io.stderr, io.env));
    const id = told.requestId ? color.dim(` (${plain(told.requestId)})`) : "";
    io.stderr.write(`${color.red("airlock:")} ${plain(told.message)}${id}\n`);
    for (const line of problemLines(told)) io.stderr.write(`  ${line}\n`);
    if (told.remedy) io.stderr.write(`  ${plain(told.remedy)}\n`);
  }
  if (options.debug && error instanceof Error) io.stderr.write(`${plain(error.stack ?? "")}\n`);
  return exitCodeOf(error);
}

function tell(error: unknown, command: string): Told {
  if (error instanceof CliError) return pick(error, error.remedy);
  if (error instanceof AirlockError) return pick(error, remedyOf(error));
  if (error instanceof Problem) return pick(error);
  if (error instanceof ConfigError) return { code: "config", message: error.message };
  if (error instanceof CommanderError) return tellMisuse(error, command);
  return { code: "internal", message: error instanceof Error ? error.message : String(error) };
}

/** What the parser of the command line has against it. */
function tellMisuse({ message }: CommanderError, command: string): Told {
  const [said = "", near] = message
    .replace(/^error: /, "")
    .replace(/\.$/, "")
    .split(/\n\((?=Did you mean)/);
  const sentence = said.charAt(0).toUpperCase() + said.slice(1);
  const help = `See \`${command} --help\``;
  if (/option '--workspace(=.*)?'/.test(said)) {
    const remedy =
      "Use a token of that workspace: `airlock token create NAME --workspace W` makes one";
    return { code: "usage", message: `${sentence}: the workspace comes from the token`, remedy };
  }
  const remedy = near === undefined ? help : `${near.replace(/\)$/, "")} ${help}`;
  return { code: "usage", message: sentence, remedy };
}

/** What is wrong with an agent or its input, one line for each problem. */
function problemLines({ code, details }: Told): string[] {
  if (code !== "agent_invalid" && code !== "input_invalid") return [];
  const problems = Array.isArray(details?.problems) ? details.problems : [];
  return problems.map(({ line, path, message, remedy }: Record<string, unknown>) => {
    const where = line ? `line ${line}: ` : path ? `${path}: ` : "";
    return plainLine(`${where}${message}${remedy ? `. ${remedy}` : ""}`);
  });
}

function pick(error: Told, remedy?: string): Told {
  const { code, message, status, requestId, details } = error;
  return { code, message, remedy, status, requestId, details };
}

function remedyOf(error: AirlockError): string | undefined {
  if (error instanceof NetworkError && error.code === "unreachable") {
    return "Start a gateway with `airlock serve`, or give its address with --url or AIRLOCK_URL";
  }
  if (error instanceof TimeoutError) {
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
    case "output_not_found":
      return listed("There are: ", error.details?.outputs) ?? "The run hands nothing back";
    case "output_ambiguous":
      return listed("They are: ", error.details?.matches);
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

/** The first of what there is. */
function listed(before: string, paths: unknown): string | undefined {
  if (!Array.isArray(paths) || paths.length === 0) return undefined;
  const more = paths.length > 10 ? `, and ${paths.length - 10} more` : "";
  return `${before}${paths.slice(0, 10).map(plainLine).join(", ")}${more}`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof TimeoutError) return exit.deadline;
  if (error instanceof CommanderError || error instanceof ConfigError) return exit.usage;
  // Found wrong before anything was sent: the command was used wrongly.
  const local = error instanceof AirlockError && error.status === undefined;
  if (local && /^(invalid_request|invalid_option|bundle_invalid)$/.test(error.code)) {
    return exit.usage;
  }
  return exit.failed;
}
