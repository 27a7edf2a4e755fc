import type { Command } from "commander";
import { type Cli, examples } from "./context.ts";
import { plainLine } from "./plain.ts";
import { showBytes, table } from "./words.ts";

/** `outputs`: the files that a run hands back. */
export function addOutputs(program: Command, cli: Cli): void {
  const outputs = program
    .command("outputs <id>")
    .description("List the files that a run hands back: a table at a terminal, NDJSON when piped")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const found = await (await client()).outputs(id);
        if (print.forPrograms) {
          for (const output of found) await print.value(output);
          return 0;
        }
        const rows = found.map((output) => [
          output.id,
          showBytes(output.bytes),
          plainLine(output.path),
        ]);
        for (const line of table(rows)) await print.line(line);
        if (found.length === 0) print.hint("No outputs");
        return 0;
      }),
    );
  examples(outputs, "airlock outputs run_01kadz3v6m5c0jx9s2qf8t7w4b");
}
