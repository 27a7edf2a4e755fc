import type { Command } from "commander";
import { AirlockClient } from "../sdk/sdk.ts";
import { gatewayToken, gatewayUrl } from "./address.ts";
import type { CliIo } from "./io.ts";
import { plainLine } from "./plain.ts";
import { openPrinter, type Printer } from "./print.ts";

/** Options of every command. */
export interface GlobalOptions {
  json?: boolean;
  url?: string;
  token?: string;
  dataDir?: string;
  debug?: boolean;
}

/** What a command works with. */
export interface Context {
  io: CliIo;
  options: GlobalOptions;
  print: Printer;
  client(): Promise<AirlockClient>;
}

/**
 * Wraps a command's work for commander: positional arguments first, then the options of this
 * command and of all.
 */
export type Work<Options> = (
  context: Context,
  options: Options,
  ...args: string[]
) => Promise<number | undefined>;

/** What the files of commands need to add themselves to the program. */
export interface Cli {
  run<Options = object>(work: Work<Options>): (...args: unknown[]) => Promise<void>;
}

export function openContext(io: CliIo, closed: AbortSignal, options: GlobalOptions): Context {
  const print = openPrinter(io, closed, options.json === true);
  return {
    io,
    options,
    print,
    async client() {
      const baseUrl = gatewayUrl(options, io.env);
      const token = await gatewayToken(options, io.env, baseUrl);
      const debug = (line: string) => void io.stderr.write(`${plainLine(line)}\n`);
      return new AirlockClient({ token, baseUrl, ...(options.debug ? { debug } : {}) });
    },
  };
}

/** Ends a command's help with lines that can be typed as they are. */
export function examples(command: Command, ...lines: string[]): Command {
  const title = lines.length === 1 ? "Example" : "Examples";
  return command.addHelpText(
    "after",
    `\n${title}:\n${lines.map((line) => `  $ ${line}`).join("\n")}`,
  );
}
