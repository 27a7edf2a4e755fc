import type { CompletedCommand, Hint } from "./completion.ts";

/**
 * What bash and zsh both ask about a command line, as functions that both read: the commands below a path, its flags, its
 * arguments, and what the value of a flag may be (`@file`, `@directory`, `@any` or words; nothing: it takes none).
 */
export function shellTables(commands: CompletedCommand[]): string {
  const common = commonFlags(commands);
  const { usual, others } = valuesOf(commands);
  return [
    table("_airlock_commands", commands, ({ path, commands: inner }) => [
      quoted(path),
      inner.map(({ name }) => name).join(" "),
    ]),
    table("_airlock_own_flags", commands, ({ path, flags }) => [
      quoted(path),
      flags
        .flatMap(({ names }) => names)
        .filter((name) => !common.includes(name))
        .join(" "),
    ]),
    table("_airlock_args", commands, ({ path, args }) => [quoted(path), hintText(args)]),
    table("_airlock_other_value", [...others], ([key, text]) => [quoted(key), text || "-"]),
    table("_airlock_usual_value", [...usual], ([name, text]) => [quoted(name), text]),
    `_airlock_flags() {
  echo "$(_airlock_own_flags "$1") ${common.join(" ")}"
}
_airlock_value() {
  case "$(_airlock_other_value "$1 $2")" in
    -) ;;
    '') _airlock_usual_value "$2" ;;
    *) _airlock_other_value "$1 $2" ;;
  esac
}
_airlock_is_command() {
  case " $(_airlock_commands "$1") " in
    *" $2 "*) return 0 ;;
  esac
  return 1
}`,
  ].join("\n");
}

/** The names of flags that every command has. */
export function commonFlags(commands: CompletedCommand[]): string[] {
  const [first, ...rest] = commands.map(({ flags }) => flags.flatMap(({ names }) => names));
  return (first ?? []).filter((name) => rest.every((names) => names.includes(name)));
}

/** What a flag takes wherever it is, and where it takes something else: most mean the same everywhere. */
function valuesOf(commands: CompletedCommand[]) {
  const all = commands.flatMap(({ path, flags }) =>
    flags.flatMap(({ names, value }) =>
      names.map((name) => ({ path, name, text: value === undefined ? "" : hintText(value) })),
    ),
  );
  const usual = new Map<string, string>();
  const others = new Map<string, string>();
  for (const { path, name, text } of all) {
    if (!usual.has(name)) usual.set(name, text);
    else if (usual.get(name) !== text) others.set(`${path} ${name}`, text);
  }
  return { usual, others };
}

function table<Row>(name: string, rows: Row[], of: (row: Row) => [string, string]): string {
  const cases = rows.map(of).filter(([, text]) => text !== "");
  return [
    `${name}() {`,
    '  case "$1" in',
    ...cases.map(([key, text]) => `    ${key}) echo ${quoted(text)} ;;`),
    "  esac",
    "}",
  ].join("\n");
}

function hintText(hint: Hint): string {
  return typeof hint === "string" ? `@${hint}` : hint.join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
