import type { Command } from "commander";
import { type Scope, scopes } from "../contract/token.ts";
import { type Cli, examples } from "./context.ts";
import { someOf } from "./option-values.ts";
import { plainLine } from "./plain.ts";
import { table } from "./words.ts";

interface CreateOptions {
  scope?: Scope[];
  workspace?: string;
}

/** `token create|list|revoke` and `whoami`. */
export function addTokens(program: Command, cli: Cli): void {
  const token = program.command("token").description("Create, list and revoke API tokens");
  examples(token, "airlock token create ci --scope runs", "airlock token list");
  const create = token
    .command("create <name>")
    .description("Create a token and print its secret, which is shown this once")
    .option(
      "--scope <scope>",
      `${scopes.join(", ")}; may be repeated (default: runs)`,
      someOf(scopes),
    )
    .option("--workspace <name>", "the workspace it opens; made when there is none")
    .action(
      cli.run<CreateOptions>(async ({ client, print }, { scope = ["runs"], workspace }, name) => {
        const made = await (await client()).tokens.create({
          name,
          scopes: scope,
          ...(workspace === undefined ? {} : { workspace }),
        });
        await (print.json ? print.value(made) : print.line(made.secret));
        const { id, workspaceName } = made.token;
        print.note(
          `Token ${id} for the workspace ${plainLine(workspaceName)}; keep its secret now`,
        );
        return 0;
      }),
    );
  examples(create, "airlock token create ci --scope runs --workspace ci");
  const list = token
    .command("list")
    .description("List all tokens, without their secrets")
    .action(
      cli.run(async ({ client, print }) => {
        const tokens = await (await client()).tokens.list();
        if (print.json) for (const one of tokens) await print.value(one);
        else {
          const rows = tokens.map((one) => [
            one.id,
            plainLine(one.name),
            plainLine(one.workspaceName),
            one.scopes.join(","),
            one.revokedAt === null ? "" : `revoked ${one.revokedAt}`,
          ]);
          for (const line of table(rows)) await print.line(line);
        }
        return 0;
      }),
    );
  examples(list, "airlock token list");
  const revoke = token
    .command("revoke <id>")
    .description("Revoke a token: it opens nothing any more")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        await (await client()).tokens.revoke(id);
        if (print.json) await print.value({ tokenId: id, revoked: true });
        else print.note(`Revoked ${plainLine(id)}`);
        return 0;
      }),
    );
  examples(revoke, "airlock token revoke tok_01kadz3v6m5c0jx9s2qf8t7w4b");
  addWhoami(program, cli);
}

function addWhoami(program: Command, cli: Cli): void {
  const whoami = program
    .command("whoami")
    .description("Show what the token opens, and the caps of its workspace")
    .action(
      cli.run(async ({ client, print }) => {
        const me = await (await client()).whoami();
        if (print.json) {
          await print.value(me);
          return 0;
        }
        await print.line(`${plainLine(me.tokenName)}  ${me.tokenId}`);
        await print.line(`workspace ${plainLine(me.workspaceName)}  ${me.workspaceId}`);
        await print.line(`scopes ${me.scopes.join(", ")}`);
        const { maxConcurrentRuns, maxRunDurationMs } = me.caps;
        const hours = maxRunDurationMs / 3_600_000;
        await print.line(`at most ${maxConcurrentRuns} runs at once, ${hours} h each`);
        return 0;
      }),
    );
  examples(whoami, "airlock whoami");
}
