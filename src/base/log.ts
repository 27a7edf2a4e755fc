import { type Logger, pino } from "pino";

/**
 * The log is for operators, the journal is for users. JSON lines on stderr, so that stdout stays a command's answer.
 * A message is a dotted event (`run.claimed`) and its values are fields, never prose with values inside.
 * No field ever holds a secret, a prompt or a tool's output.
 */
export type Log = Logger;

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Opens the log at the given level, on stderr unless another stream is given. */
export function openLog(level: LogLevel, destination?: NodeJS.WritableStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options, pino.destination(2));
}
