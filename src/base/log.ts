import { type Logger, pino } from "pino";

/**
 * The log is for operators, the journal is for users. JSON lines on stderr, so that stdout stays a command's answer.
 * A message is a dotted event (`run.claimed`) and its values are fields, never prose with values inside.
 * No field ever holds a secret, a prompt or a tool's output.
 */
export type Log = Logger;

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

export interface LogOptions {
  /** Stderr unless it is given. */
  destination?: NodeJS.WritableStream;
  /**
   * Is given every line before it is written, whole and as JSON. The rule above is for us; an error of a library may
   * hold the request that it failed at, with its credential (I6).
   */
  redact?: (line: string) => string;
}

/** Opens the log at the given level. */
export function openLog(level: LogLevel, { destination, redact }: LogOptions = {}): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    ...(redact ? { hooks: { streamWrite: (line: string) => redactLine(line, redact) } } : {}),
  };
  return pino(options, destination ?? pino.destination(2));
}

/** What was cut out may have been numbers, or half of an escape; a line is JSON all the same. */
function redactLine(line: string, redact: (line: string) => string): string {
  const clean = redact(line);
  if (clean === line || isJson(clean)) return clean;
  return `${JSON.stringify({ level: "warn", msg: "log.line_redacted", line: clean.trimEnd() })}\n`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
