import type { CompletedCommand, CompletedFlag, Hint } from "./completion.ts";
import { commonFlags } from "./completion-tables.ts";

/** For fish 3 and newer, as `~/.config/fish/completions/airlock.fish`. Commands and flags are shown with what they do. */
export function fishCompletion(commands: CompletedCommand[]): string {
  const common = commonFlags(commands);
  const isCommon = ({ names }: CompletedFlag) => names.every((name) => common.includes(name));
  const everywhere = commands[0]?.flags.filter(isCommon) ?? [];
  const own = commands.map((command) => ({
    ...command,
    flags: command.flags.filter((flag) => !isCommon(flag)),
  }));
  const takers = [
    ...namesOfTakers(everywhere),
    ...own.flatMap(({ path, flags }) => namesOfTakers(flags).map((name) => `${path} ${name}`)),
  ];
  return `# fish completion of airlock; save it as ~/.config/fish/completions/airlock.fish
set -g __airlock_commands ${commands.map(({ path }) => quoted(path)).join(" ")}
set -g __airlock_takers ${takers.map(quoted).join(" ")}
function __airlock_at
    set -l place ''
    set -l expected 0
    for word in (commandline -opc)[2..-1]
        if test $expected = 1
            set expected 0
            continue
        end
        switch $word
            case --
                return 1
            case '-*'
                if contains -- $word $__airlock_takers; or contains -- "$place $word" $__airlock_takers
                    set expected 1
                end
            case '*'
                set -l deeper (string trim -- "$place $word")
                if contains -- $deeper $__airlock_commands
                    set place $deeper
                end
        end
    end
    test "$place" = "$argv[1]"
end
complete -c airlock -e
complete -c airlock -f
${everywhere.map((flag) => `complete -c airlock ${flagText(flag)}`).join("\n")}
${own.flatMap(linesOf).join("\n")}
`;
}

function namesOfTakers(flags: CompletedFlag[]): string[] {
  return flags.filter(({ value }) => value !== undefined).flatMap(({ names }) => names);
}

function linesOf({ path, commands, flags, args }: CompletedCommand): string[] {
  const where = `complete -c airlock -n ${quoted(`__airlock_at ${quoted(path)}`)}`;
  return [
    ...commands.map(
      ({ name, description }) => `${where} -a ${quoted(name)} -d ${quoted(description)}`,
    ),
    ...(commands.length > 0 ? [] : argLines(where, args)),
    ...flags.map((flag) => `${where} ${flagText(flag)}`),
  ];
}

function argLines(where: string, args: Hint): string[] {
  if (args === "any") return [];
  return [`${where} ${placeText(args)}`];
}

function flagText({ names, description, value }: CompletedFlag): string {
  const spelt = names.map((name) =>
    name.startsWith("--") ? `-l ${quoted(name.slice(2))}` : `-s ${quoted(name.slice(1))}`,
  );
  const takes = value === undefined ? [] : ["-r", placeText(value)];
  return [...spelt, ...takes, `-d ${quoted(description)}`].filter((part) => part !== "").join(" ");
}

function placeText(hint: Hint): string {
  if (hint === "file") return "-F";
  if (hint === "any") return "-f";
  return hint === "directory"
    ? "-f -a '(__fish_complete_directories)'"
    : `-f -a ${quoted(hint.join(" "))}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
