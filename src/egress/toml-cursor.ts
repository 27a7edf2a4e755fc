/** A place in a TOML text, which moves on by what was found there. */
export interface TomlCursor {
  /** What a sticky pattern finds here, or undefined, and then nothing moves. */
  match(pattern: RegExp): string | undefined;
  /** Goes past a sign when it is here. */
  skip(sign: string): boolean;
  isAt(sign: string): boolean;
  ended(): boolean;
  /** Goes past blanks, line breaks and comments. */
  blank(): void;
  /** A string of any of the four kinds, when one is here. */
  string(): string | undefined;
  /** Throws a SyntaxError that names the line and what it lacks. */
  fail(wanted: string): never;
}

export function openTomlCursor(text: string): TomlCursor {
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const fail = (wanted: string): never => {
    throw new SyntaxError(`Line ${text.slice(0, at).split("\n").length} has no ${wanted}`);
  };
  return {
    match,
    fail,
    isAt: (sign) => text.startsWith(sign, at),
    ended: () => at >= text.length,
    skip(sign) {
      if (!text.startsWith(sign, at)) return false;
      at += sign.length;
      return true;
    },
    blank: () => void match(/(?:[ \t\r\n]|#[^\n]*)*/y),
    string() {
      const long = match(/"""(?:[^\\]|\\[\s\S])*?"""/y);
      if (long !== undefined) {
        const body = long.slice(3, -3).replace(/^\r?\n/, "");
        return decoded(body.replace(/\\[ \t]*\r?\n\s*/g, ""), fail);
      }
      const literal = match(/'''[\s\S]*?'''/y);
      if (literal !== undefined) return literal.slice(3, -3).replace(/^\r?\n/, "");
      const plain = match(/"(?:[^"\\\n]|\\.)*"/y);
      if (plain !== undefined) return decoded(plain.slice(1, -1), fail);
      return match(/'[^'\n]*'/y)?.slice(1, -1);
    },
  };
}

const signs: Record<string, string> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

function decoded(text: string, fail: (wanted: string) => never): string {
  return text.replace(/\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g, (_all, ...parts) => {
    const [four, eight, sign] = parts as (string | undefined)[];
    const code = Number.parseInt(four ?? eight ?? "", 16);
    if (Number.isInteger(code))
      return code > 0x10ffff ? fail("letter") : String.fromCodePoint(code);
    return signs[sign ?? ""] ?? fail("escape that is known");
  });
}
