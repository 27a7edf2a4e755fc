/**
 * Whether a script of sed starts programs: the command `e`, and the flag `e` of `s`. What cannot be followed counts as if
 * it did.
 */
export function sedRuns(script: string): boolean {
  const end = script.length;
  let at = 0;
  while (at < end) {
    at = skipAddress(script, skip(script, at, /[\s;{}]/y));
    if (at >= end) return false;
    const command = script[at] ?? "";
    at += 1;
    if (command === "e") return true;
    if (command === "s" || command === "y") {
      const delimiter = script[at] ?? "";
      const close = afterDelimiters(script, at + 1, delimiter, 2);
      if (close === undefined) return true;
      const given = /^[gpiImM\d]*/.exec(script.slice(close))?.[0] ?? "";
      const after = script[close + given.length];
      if (command === "s" && after === "e") return true;
      at = close + given.length;
      if (command === "s" && after === "w") at = lineEnd(script, at);
    } else if (/[aicrRwW]/.test(command)) at = textEnd(script, at);
    else if (/[btT:]/.test(command)) at = skip(script, at, /[^;\n]/y);
    else if (/[qQlL]/.test(command)) at = skip(script, at, /[\d ]/y);
    else if (command === "#") at = lineEnd(script, at);
    else if (command === "v" || command === "F" || /[dDgGhHnNpPxz=]/.test(command)) continue;
    else return true;
  }
  return false;
}

function skip(script: string, from: number, characters: RegExp): number {
  let at = from;
  characters.lastIndex = at;
  while (at < script.length && characters.test(script)) {
    at += 1;
    characters.lastIndex = at;
  }
  return at;
}

/** `3`, `$`, `/re/`, `\,re,`, `first~step`, two of them with a comma between, and `!`. */
function skipAddress(script: string, from: number): number {
  let at = from;
  for (;;) {
    const character = script[at] ?? "";
    if (/[\d$~+,! I]/.test(character) && character !== "") at += 1;
    else if (character === "/" || character === "\\") {
      const start = character === "/" ? at : at + 1;
      const after = afterDelimiters(script, start + 1, script[start] ?? "", 1);
      if (after === undefined) return script.length;
      at = after;
    } else return at;
  }
}

/** The place after as many more of the delimiter as asked for; a backslash takes the next character along. */
function afterDelimiters(
  script: string,
  from: number,
  delimiter: string,
  count: number,
): number | undefined {
  let left = count;
  for (let at = from; at < script.length; at += 1) {
    if (script[at] === "\\") at += 1;
    else if (script[at] === delimiter) {
      left -= 1;
      if (left === 0) return at + 1;
    }
  }
  return undefined;
}

function lineEnd(script: string, from: number): number {
  const end = script.indexOf("\n", from);
  return end === -1 ? script.length : end;
}

/** Text goes on after a line that ends in a backslash. */
function textEnd(script: string, from: number): number {
  let end = lineEnd(script, from);
  while (end < script.length && script[end - 1] === "\\") end = lineEnd(script, end + 1);
  return end;
}
