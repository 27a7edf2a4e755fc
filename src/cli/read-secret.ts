import { StringDecoder } from "node:string_decoder";
import { CliError, exit, usage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import type { Printer } from "./print.ts";
import { isAttended, openQuestions } from "./questions.ts";
import { readStdin } from "./read-stdin.ts";

/** More than any secret may have, so that what is wrong is said by who knows the limit. */
const bytesMax = 128 * 1024;

/**
 * A value that nobody may see: from stdin, or typed unseen by a person, who then reads how long it is and says whether
 * that is right. Undefined when it is not. Never from an argument or a variable: those can be seen by others.
 */
export async function readSecret(
  io: CliIo,
  print: Printer,
  name: string,
): Promise<string | undefined> {
  if (io.stdin.isTTY !== true) return cutNewline(await readAll(io));
  if (!isAttended(io, print) || io.stdin.setRawMode === undefined) {
    throw usage(
      "Nobody can be asked for a value here",
      `Give it on stdin: airlock secrets set ${name} < FILE`,
    );
  }
  const value = await readUnseen(io, `Value of ${name} (it is not shown):`);
  if (value === "") throw noValue();
  const questions = openQuestions(io);
  try {
    const length = `${[...value].length.toLocaleString("en")} characters`;
    const answer = await questions.ask(`${name} has ${length}. Is that right? [y/N]`);
    return answer !== undefined && /^y(es)?$/i.test(answer) ? value : undefined;
  } finally {
    questions.close();
  }
}

/** `echo` and editors end a file with a line feed that is no part of the value. */
export function cutNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}

async function readAll({ stdin }: CliIo): Promise<string> {
  const bytes = await readStdin(stdin, bytesMax);
  if (bytes.length === 0) throw noValue();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw usage("What is on stdin is not text in UTF-8", "Encode it first, as base64 perhaps");
  }
}

function noValue(): CliError {
  return usage("No value given", "Give it on stdin, or type it at a terminal");
}

/** Keys in raw mode, where the terminal echoes nothing and leaves Ctrl-C to us. */
const keys = { interrupt: "\x03", end: "\x04", erase: /[\b\x7f]/, clear: "\x15", enter: /[\r\n]/ };

async function readUnseen({ stdin, stderr }: CliIo, question: string): Promise<string> {
  const decoder = new StringDecoder("utf8");
  let typed: string[] = [];
  stdin.setRawMode?.(true);
  stderr.write(`${question} `);
  try {
    // The stream outlives this loop: a question is asked on it afterwards.
    for await (const part of stdin.iterator({ destroyOnReturn: false })) {
      const chars = [...decoder.write(Buffer.from(part as Uint8Array | string))];
      for (const [at, char] of chars.entries()) {
        if (char === keys.interrupt) {
          throw new CliError("interrupted", "Nothing was set", undefined, exit.interrupted);
        }
        if (char === keys.end) return typed.join("");
        if (keys.enter.test(char)) {
          refuseMore(chars.slice(at + 1));
          return typed.join("");
        }
        if (keys.erase.test(char)) typed.pop();
        else if (char === keys.clear) typed = [];
        else typed.push(char);
        if (/\p{Cc}/u.test(typed.at(-1) ?? "")) throw control();
        if (typed.length > bytesMax) throw usage(`More than ${bytesMax} characters were typed`);
      }
    }
    return typed.join("");
  } finally {
    stdin.setRawMode?.(false);
    stderr.write("\n");
  }
}

/** A value of several lines would be cut at its first, and the rest taken for answers. */
function refuseMore(rest: string[]): void {
  if (rest.join("").trim() === "") return;
  throw usage("More than one line was pasted", "Give a value of several lines on stdin");
}

/** An arrow key is an escape sequence, which would become a part of the value unseen. */
function control(): CliError {
  return usage(
    "A key was typed that is no character of a value",
    "Type it again; Backspace and Ctrl-U erase",
  );
}
