import type { Command, Option } from "commander";
import { bashCompletion } from "./completion-bash.ts";
import { fishCompletion } from "./completion-fish.ts";
import { zshCompletion } from "./completion-zsh.ts";
import { type Cli, examples } from "./context.ts";
import { oneOf } from "./option-values.ts";

/** What may follow a word: one of these, a file, a directory, or what nobody can know. */
export type Hint = readonly string[] | "file" | "directory" | "any";

export interface CompletedFlag {
  /** `--follow`, `-h`. */
  names: string[];
  description: string;
  /** Undefined: it takes no value. */
  value: Hint | undefined;
}

/** One command as a shell completes it. */
export interface CompletedCommand {
  /** `agents list`; empty for the program itself. */
  path: string;
  commands: { name: string; description: string }[];
  flags: CompletedFlag[];
  /** What its arguments may be, the last one again and again. */
  args: Hint;
}

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
type Shell = keyof typeof shells;
const shellNames = Object.keys(shells) as Shell[];

/** `completion bash|zsh|fish`: what a shell needs to complete every command, from the commands themselves. */
export function addCompletion(program: Command, cli: Cli): void {
  const completion = program
    .command("completion")
    .description("Print a script that completes commands and flags in your shell")
    .argument("<shell>", shellNames.join(", "), oneOf(shellNames));
  completion.action(
    cli.run(async ({ print }, _options, shell) => {
      await print.write(shells[shell as Shell](completedCommands(program)));
      return 0;
    }),
  );
  examples(
    completion,
    "airlock completion bash > ~/.local/share/bash-completion/completions/airlock",
    'airlock completion zsh > "${fpath[1]}/_airlock"',
    "airlock completion fish > ~/.config/fish/completions/airlock.fish",
    "source <(airlock completion bash)",
  );
}

/** Every command of a program, the program itself first. Nothing is asked of a gateway: ids are not completed. */
export function completedCommands(program: Command): CompletedCommand[] {
  const all: CompletedCommand[] = [];
  const add = (command: Command, path: string[]) => {
    const help = command.createHelp();
    const commands = help.visibleCommands(command);
    const flags = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
    // Those of the program count everywhere.
    const own = command === program ? flags : [...flags, ...program.options];
    all.push({
      path: path.join(" "),
      commands: commands.map((one) => ({ name: one.name(), description: one.description() })),
      flags: unique(own).map(flagOf),
      args: argsOf(command),
    });
    for (const inner of commands) if (inner.name() !== "help") add(inner, [...path, inner.name()]);
  };
  add(program, []);
  return all;
}

function unique(options: readonly Option[]): Option[] {
  return [...new Map(options.map((option) => [option.flags, option])).values()];
}

function flagOf(option: Option): CompletedFlag {
  const names = [option.long, option.short].filter((name) => typeof name === "string");
  const takesValue = option.required || option.optional;
  const value = takesValue ? (wordsOf(option) ?? placeOf(option.flags)) : undefined;
  return { names, description: option.description, value };
}

function argsOf(command: Command): Hint {
  const [first] = command.registeredArguments;
  if (first === undefined) return [];
  return wordsOf(first) ?? placeOf(first.name());
}

/** The words that a value may be, as its reader knows them. */
function wordsOf(of: { argChoices?: readonly string[] | undefined; parseArg?: unknown }) {
  if (of.argChoices !== undefined) return of.argChoices;
  const words = (of.parseArg as { words?: unknown } | undefined)?.words;
  return Array.isArray(words) ? (words as string[]) : undefined;
}

/** A placeholder says what it stands for: `--out <file>`, `--skill <[name=]dir>`. */
function placeOf(text: string): Hint {
  if (/\b(file|path|template|paths|archive)\b/.test(text.replace(/^--?[\w-]+/, ""))) return "file";
  return /\b(dir|directory)\b/.test(text.replace(/^--?[\w-]+/, "")) ? "directory" : "any";
}
