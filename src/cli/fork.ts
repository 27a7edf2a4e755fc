import type { Command } from "commander";
import type { ForkOptions } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { addEndpoints } from "./endpoint-flags.ts";
import { usage } from "./exit.ts";
import { addMcp } from "./mcp-flags.ts";
import { collect, whole } from "./option-values.ts";
import { openValueReader } from "./read-value.ts";
import { type RunFlags, readKeys } from "./run-options.ts";

interface Options extends RunFlags {
  turn?: number;
}

const sample = "run_01kadz3v6m5c0jx9s2qf8t7w4b";

/** `airlock fork`: a new run that goes on from a turn of another one. */
export function addFork(program: Command, cli: Cli): void {
  const fork = program
    .command("fork <id> [message]")
    .description("Go on from a turn of a run in a new one, which remembers it; print its id")
    .option("--turn <n>", "the last turn that it remembers; default: the newest", whole)
    .option("--idempotency-key <key>", "the same key and the same fork are made once")
    .option("--api-key-env <provider=var>", "the run's own key, from a variable", collect)
    .option(
      "--proxy-auth <name=from>",
      "the credential of an endpoint: NAME=env:VAR, NAME=file:PATH or NAME=secret:NAME",
      collect,
    )
    .option(
      "--mcp-auth <name=from>",
      "the credential of an MCP server: NAME=env:VAR, NAME=file:PATH, or NAME=Header:Value",
      collect,
    )
    .option(
      "--secret-env <name>",
      "a secret of this run for credential_env, from your environment, or NAME=file:PATH",
      collect,
    )
    .action(
      cli.run<Options>(async (context, options, id, message) => {
        const { print } = context;
        const client = await context.client();
        const { turn, idempotencyKey } = options;
        const secrets = await secretsFor(context, options, id);
        const run = await client.fork(id, {
          ...(turn === undefined ? {} : { turn }),
          ...(message === undefined ? {} : { message }),
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          ...(secrets === undefined ? {} : { secrets }),
        });
        if (print.json) await print.value(await run.get());
        else await print.line(run.id);
        print.hint(`Watch it with \`airlock events ${run.id} --follow\``);
        return 0;
      }),
    );
  examples(fork, `airlock fork ${sample}`, `airlock fork ${sample} --turn 3 "Try it with pandas"`);
}

/** What the fork gets of secrets; of what kind a credential is, the other run's endpoints say. */
async function secretsFor(
  { io, client }: Context,
  flags: Options,
  id: string,
): Promise<ForkOptions["secrets"]> {
  const reader = openValueReader(io.stdin);
  const draft: Record<string, unknown> = { secrets: await readKeys(flags, reader, io.env) };
  if (flags.proxyAuth !== undefined || flags.mcpAuth !== undefined) {
    const { submission } = await (await client()).getRun(id);
    draft.proxyEndpoints = submission.proxyEndpoints;
    draft.mcpServers = submission.mcpServers;
  }
  await addEndpoints(draft, flags, reader, io.env);
  refuseOtherSecret(flags.mcpAuth);
  await addMcp(draft, { mcpAuth: flags.mcpAuth }, reader, io.env);
  const secrets = draft.secrets as NonNullable<ForkOptions["secrets"]>;
  return Object.keys(secrets).length === 0 ? undefined : secrets;
}

/** A fork declares no server anew: which secret of the workspace one is called with is settled. */
function refuseOtherSecret(mcpAuth: string[] | undefined): void {
  const name = mcpAuth?.map((text) => /^([^=]*)=secret:/.exec(text)?.[1]).find((one) => one);
  if (name === undefined) return;
  throw usage(
    `--mcp-auth: the secret of ${JSON.stringify(name)} is declared by the run that is forked`,
    "Give a header: NAME=env:VAR, NAME=file:PATH or NAME=Header:Value",
  );
}
