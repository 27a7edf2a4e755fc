/**
 * A command as it goes to the launcher: the number of its lines, the lines, and a word for the end.
 * The launcher starts nothing before it has read that word, so a gateway that dies in the middle of
 * writing never runs half a command. The command holds no NUL.
 */
export function commandFrame(command: string): string {
  const lines = command.split("\n");
  return `${lines.length}\n${command}\nend\n`;
}
