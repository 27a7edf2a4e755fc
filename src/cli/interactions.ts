import type { Command } from "commander";
import {
  type Interaction,
  type InteractionStatus,
  interactionStatuses,
} from "../contract/interaction.ts";
import type { AnswerOptions } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { oneOf, whole } from "./option-values.ts";
import { layOut, own, type PageLine, quote } from "./page.ts";
import { plainLine } from "./plain.ts";
import { isAttended, openQuestions } from "./questions.ts";
import { spell, spellLine } from "./spell.ts";
import { shorten, table } from "./words.ts";

const sample = "int_3m8q0zv5w2k7c1x9t4r6h0j2n5";

/** `interactions list|show|answer`: what agents ask people, and the answers. */
export function addInteractions(program: Command, cli: Cli): void {
  const interactions = program
    .command("interactions")
    .description("List, show and answer questions of agents");
  examples(
    interactions,
    "airlock interactions list --status pending",
    `airlock interactions answer ${sample}`,
  );
  addList(interactions, cli);
  const show = interactions
    .command("show <id>")
    .description("Show a question, and its answer")
    .action(
      cli.run(async (context, _options, id) => {
        const { print } = context;
        const found = await (await context.client()).interactions.get(id);
        if (print.json) await print.value(found);
        else {
          await printQuestion(context, found);
          if (found.status === "pending") print.hint(howToAnswer(found));
        }
        return exit.ok;
      }),
    );
  examples(show, `airlock interactions show ${sample}`);
  addAnswer(interactions, cli);
}

function addList(interactions: Command, cli: Cli): void {
  const list = interactions
    .command("list")
    .description("List questions, newest first; with --status pending oldest first")
    .option(
      "--status <status>",
      `only ${interactionStatuses.join(", ")}`,
      oneOf(interactionStatuses),
    )
    .option("--limit <n>", "at most so many", whole, 100)
    .action(
      cli.run<{ status?: InteractionStatus; limit: number }>(
        async ({ client, print }, { status, limit }) => {
          const rows: string[][] = [];
          let shown = 0;
          for await (const one of (await client()).interactions.all(status ? { status } : {})) {
            if (shown === limit || print.closed.aborted) break;
            if (print.json) await print.value(one);
            else rows.push(rowOf(one));
            shown += 1;
          }
          for (const line of table(rows)) await print.line(line);
          if (shown === 0) print.hint("No interactions");
          return exit.ok;
        },
      ),
    );
  examples(list, "airlock interactions list --status pending", "airlock interactions list --json");
}

function rowOf({ id, status, createdAt, agent, kind, question }: Interaction): string[] {
  const when = createdAt.slice(0, 19).replace("T", " ");
  const who = spellLine(agent ?? "(inline)");
  return [id, status, when, who, kind, shorten(spellLine(question), 80)];
}

interface AnswerFlags {
  text?: string;
  option?: string;
}

function addAnswer(interactions: Command, cli: Cli): void {
  const answer = interactions
    .command("answer <id>")
    .description("Answer a question; its run goes on. Without a flag: shows it, and asks")
    .option("--text <text>", "the answer in your words")
    .option("--option <id>", "one of its options")
    .action(
      cli.run<AnswerFlags>(async (context, flags, id) => {
        const { print } = context;
        const { interactions: calls } = await context.client();
        const given = givenBy(flags) ?? (await askedFor(context, await calls.get(id)));
        if (given === undefined) {
          print.note("Not answered");
          return exit.failed;
        }
        const answered = await calls.answer(id, given);
        if (print.json) await print.value(answered);
        else await print.line(`${print.color.green("✓")} ${answered.id}  answered`);
        return exit.ok;
      }),
    );
  examples(
    answer,
    `airlock interactions answer ${sample}`,
    `airlock interactions answer ${sample} --option yes`,
    `airlock interactions answer ${sample} --text "The one in Bern"`,
  );
}

function givenBy({ text, option }: AnswerFlags): AnswerOptions | undefined {
  if (text !== undefined && option !== undefined) {
    throw usage("Expected only one of --text and --option");
  }
  if (text !== undefined) return { text };
  return option === undefined ? undefined : { option };
}

/** What a person at the terminal answers; undefined: nothing. A number or an id chooses an option. */
async function askedFor(context: Context, asked: Interaction): Promise<AnswerOptions | undefined> {
  const { io, print } = context;
  if (!isAttended(io, print)) {
    throw usage(
      "Nobody can be asked here: stdin and stdout are not a terminal",
      howToAnswer(asked),
    );
  }
  await printQuestion(context, asked);
  if (asked.status !== "pending") return undefined;
  const { options, allowFreeform } = asked;
  const questions = openQuestions(io);
  try {
    for (;;) {
      const text = await questions.ask(promptOf(asked));
      if (text === undefined || text === "") return undefined;
      const option = options.find(({ id }, at) => id === text || String(at + 1) === text);
      if (option) return { option: option.id };
      if (allowFreeform) return { text };
      print.note(`There is no option ${JSON.stringify(plainLine(text))}`);
    }
  } finally {
    questions.close();
  }
}

function promptOf({ options, allowFreeform }: Interaction): string {
  if (options.length === 0) return "Your answer (empty leaves):";
  return allowFreeform ? "A number, or your answer (empty leaves):" : "A number (empty leaves):";
}

function howToAnswer({ id, options, allowFreeform }: Interaction): string {
  const flags = [
    ...(options.length > 0 ? ["--option ID"] : []),
    ...(allowFreeform ? ["--text TEXT"] : []),
  ];
  return `Answer with \`airlock interactions answer ${id} ${flags.join(" or ")}\``;
}

/** All that was asked, marked so that nothing in it can stand where our own words stand. */
async function printQuestion({ io, print }: Context, asked: Interaction): Promise<void> {
  const { color } = print;
  const who = spellLine(asked.agent ?? "An agent");
  await print.line(`${color.bold(who)} asks (${asked.kind}), run ${asked.runId}`);
  const lines: PageLine[] = quote(spell(asked.question).text);
  if (asked.context !== null) lines.push(own("  context"), ...quote(spell(asked.context).text));
  for (const [at, { id, label }] of asked.options.entries()) {
    lines.push({ mark: `  ${at + 1}) `, text: `${spellLine(label)}  [${spellLine(id)}]` });
  }
  const answer = asked.answerText ?? asked.answerOptionId;
  if (answer !== null) lines.push(own("  answer"), ...quote(spell(answer).text));
  const columns = print.interactive ? io.stdout.columns || 80 : undefined;
  for (const row of layOut(lines, columns)) await print.line(row);
  if (asked.status !== "pending") await print.line(color.dim(asked.status));
}
