import type { Command } from "commander";
import type { SecretInfo } from "../contract/secret.ts";
import { isNotFound, type SecretCalls } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit } from "./exit.ts";
import { plainLine } from "./plain.ts";
import { readSecret } from "./read-secret.ts";
import { count, table } from "./words.ts";

/** `secrets set|list|rotate|delete|rotate-key`: credentials of the workspace that the gateway spends. */
export function addSecrets(program: Command, cli: Cli): void {
  const secrets = program
    .command("secrets")
    .description("Set, list, rotate and delete secrets of the workspace; no value is ever shown");
  examples(secrets, "airlock secrets set STRIPE_KEY < key.txt", "airlock secrets list");
  addSet(secrets, cli);
  addList(secrets, cli);
  addRotate(secrets, cli);
  const remove = secrets
    .command("delete <name>")
    .description("Delete a secret: nothing can be spent by its name any more")
    .action(
      cli.run(async ({ client, print }, _options, name) => {
        await (await client()).secrets.delete(name);
        if (print.json) await print.value({ name, deleted: true });
        else print.note(`Deleted ${plainLine(name)}; its value is still cut out for a while`);
        return exit.ok;
      }),
    );
  examples(remove, "airlock secrets delete STRIPE_KEY");
  const rotateKey = secrets
    .command("rotate-key")
    .description("Seal every secret of the gateway anew under a new key")
    .action(
      cli.run(async ({ client, print }) => {
        print.spinner.show("sealing every secret anew");
        const rotation = await (await client()).secrets.rotateKey();
        const { from, to, resealed } = rotation;
        if (print.json) await print.value(rotation);
        else {
          const sealed = `${count(resealed, "value")} sealed anew`;
          await print.line(`${sealed}: the key was ${plainLine(from)}, and is ${plainLine(to)}`);
        }
        return exit.ok;
      }),
    );
  examples(rotateKey, "airlock secrets rotate-key");
}

function addSet(secrets: Command, cli: Cli): void {
  const set = secrets
    .command("set <name>")
    .description("Set a secret to what is on stdin, or typed unseen; a line feed at its end is cut")
    .action(
      cli.run(async (context, _options, name) => {
        const { secrets: calls } = await context.client();
        return await setTo(context, calls, name);
      }),
    );
  examples(
    set,
    "airlock secrets set STRIPE_KEY < key.txt",
    "pass show stripe | airlock secrets set STRIPE_KEY",
  );
}

function addRotate(secrets: Command, cli: Cli): void {
  const rotate = secrets
    .command("rotate <name>")
    .description(
      "Replace the value of a secret that is there, and say until when the old is masked",
    )
    .action(
      cli.run(async (context, _options, name) => {
        const { secrets: calls } = await context.client();
        // Before anybody types: a new name is a mistake here.
        await refuseAbsent(calls, name);
        return await setTo(context, calls, name);
      }),
    );
  examples(rotate, "airlock secrets rotate STRIPE_KEY < key.txt");
}

async function refuseAbsent(calls: SecretCalls, name: string): Promise<void> {
  try {
    await calls.get(name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const remedy = `Make it with \`airlock secrets set ${plainLine(name)}\``;
    throw new CliError(error.code, error.message, remedy);
  }
}

async function setTo(context: Context, calls: SecretCalls, name: string): Promise<number> {
  const { io, print } = context;
  const value = await readSecret(io, print, plainLine(name));
  if (value === undefined) {
    print.note("Nothing was set");
    return exit.failed;
  }
  const set = await calls.set(name, value);
  if (print.json) {
    await print.value(set);
    return exit.ok;
  }
  const { version, maskedUntil } = set.secret;
  const length = count([...value].length, "character");
  await print.line(`${plainLine(name)}  version ${version}, ${length}`);
  if (maskedUntil !== null) {
    print.note(
      `The value before it is still cut out of everything until ${plainLine(maskedUntil)}`,
    );
  }
  return exit.ok;
}

function addList(secrets: Command, cli: Cli): void {
  const list = secrets
    .command("list")
    .description("List the secrets of the workspace: names, versions and times")
    .action(
      cli.run(async ({ client, print }) => {
        const all = await (await client()).secrets.list();
        if (print.json) for (const one of all) await print.value(one);
        else for (const line of table(all.map(rowOf))) await print.line(line);
        if (all.length === 0) print.hint("No secrets");
        return exit.ok;
      }),
    );
  examples(list, "airlock secrets list");
}

function rowOf({ name, version, updatedAt, updatedBy, maskedUntil }: SecretInfo): string[] {
  const masked = maskedUntil === null ? "" : `old value masked until ${plainLine(maskedUntil)}`;
  const set = `set ${plainLine(updatedAt)} by ${plainLine(updatedBy)}`;
  return [plainLine(name), `version ${version}`, set, masked];
}
