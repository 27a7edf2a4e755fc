import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { runCli } from "../../src/cli/cli.ts";

export interface Typed {
  url: string;
  token?: string;
  /** What the person types, line by line. */
  types?: string[];
  /** stdin, stdout and stderr are a terminal of 100 columns and 30 rows. */
  tty?: boolean;
  env?: Record<string, string>;
}

/** One command as a person or a script types it, to its end. */
export async function typed(
  argv: string[],
  { url, token = "alk_typed_0123456789", ...how }: Typed,
) {
  const tty = how.tty === true;
  const screen = { isTTY: tty, ...(tty ? { columns: 100, rows: 30 } : {}) };
  const stdout = Object.assign(new PassThrough({ highWaterMark: 64 << 20 }), screen);
  const stderr = Object.assign(new PassThrough({ highWaterMark: 64 << 20 }), screen);
  const [out, err] = [text(stdout), text(stderr)];
  const code = await runCli(argv, {
    stdin: Object.assign(Readable.from((how.types ?? []).map((line) => `${line}\n`)), {
      isTTY: tty,
    }),
    ...{ stdout, stderr },
    env: { AIRLOCK_TOKEN: token, AIRLOCK_URL: url, ...how.env },
    onSignal: () => () => undefined,
    exit: () => undefined,
  });
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}
