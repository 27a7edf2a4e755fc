/**
 * A command as it goes to the launcher: the number of its lines, the lines, and a word for the end.
 * The launcher starts nothing before it has read that word, so a gateway that dies in the middle of
 * writing never runs half a command. The command holds no NUL.
 *
 * Secrets of its environment come before it in the same way, each with its variable behind the number
 * of its lines: no shell ever reads a value as a word of its own, and none is in an argument.
 */
export function commandFrame(
  command: string,
  secrets: Readonly<Record<string, string>> = {},
): string {
  const variables = Object.entries(secrets).map(([name, value]) => block(value, ` ${name}`));
  return `${variables.join("")}${block(command, "")}end\n`;
}

function block(text: string, name: string): string {
  return `${text.split("\n").length}${name}\n${text}\n`;
}
