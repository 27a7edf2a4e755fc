import type { Command } from "commander";
import { providers } from "../contract/submission.ts";
import { addBudgetFlags } from "./budget-flags.ts";
import { addBundleFlags } from "./bundle-flags.ts";
import { addEnvironmentFlags } from "./environment-flags.ts";
import { collect, durationText, oneOf } from "./option-values.ts";

/** Adds the flags that describe a run to a command. */
export function addRunFlags(command: Command): void {
  command
    .optionsGroup("What it does:")
    .option(
      "--config <file>",
      "a template: all of it as a JSON or YAML file in the form of the API; flags win over it",
    )
    .option(
      "--agent <agent>",
      "an agent by its id, or an inline one: @FILE or a file that ends in .json",
    )
    .option("--input <json>", "in place of a message: JSON for an agent (@FILE reads, - is stdin)")
    .option("--model <id>", "the model, as provider/model or a bare claude-…, gpt-… or gemini-…")
    .option("--fallback-model <id>", "the model to use when the first cannot answer")
    .option("--prompt <text>", "what to do; again for a list (@FILE reads, - is stdin)", collect)
    .option("--system <text>", "the system prompt (@FILE reads, @@x is the text @x)")
    .optionsGroup("What it is given, and hands back:")
    .option(
      "--file <path[=target]>",
      "an input, placed at /workspace/TARGET; a directory is mounted read-only; again",
      collect,
    );
  addBundleFlags(command);
  command.option("--output-dir <dir>", "a directory to hand back; may be repeated", collect);
  command.optionsGroup("What it may reach:");
  addEnvironmentFlags(command);
  command
    .option("--mcp <name=url>", "a remote MCP server; may be repeated", collect)
    .option(
      "--mcp-auth <name=from>",
      "its credential: NAME=secret:NAME, env:VAR or file:PATH as a bearer, or NAME=Header:Value",
      collect,
    )
    .option("--proxy-endpoint <json>", "an upstream that it may call (@FILE reads); again", collect)
    .option(
      "--proxy-auth <name=from>",
      "its credential: NAME=env:VAR, NAME=file:PATH or NAME=secret:NAME; may be repeated",
      collect,
    )
    .optionsGroup("How long, and under what name:")
    .option("--metadata <k=v>", "kept with the run; may be repeated", collect)
    .option("--limit <name=value>", "a limit of the run, as turns=20; may be repeated", collect)
    .option("--run-timeout <duration>", "the gateway ends the run after, say, 30m", durationText)
    .option(
      "--cleanup <session>",
      "retain keeps its directories for the operator; delete is the default",
      oneOf(["retain", "delete"]),
    )
    .option("--idempotency-key <key>", "the same key and the same run are submitted once");
  addBudgetFlags(command);
  command
    .optionsGroup("Its secrets:")
    .option("--api-key-env <provider=var>", "the run's own key, from a variable", collect)
    .option(
      "--secret-env <name>",
      "a secret of this run for credential_env, from your environment, or NAME=file:PATH",
      collect,
    );
  for (const provider of providers) {
    command.option(
      `--${provider}-api-key <key>`,
      `the run's own key for ${provider}: @FILE or -, so that it is not seen in ps`,
    );
  }
}
