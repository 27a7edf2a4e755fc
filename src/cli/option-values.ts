import { InvalidArgumentError } from "commander";
import { type RunStatus, runStatuses } from "../contract/run.ts";
import { parseDuration } from "./duration.ts";

/** An option that may be given again: all its values, in order. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A duration as milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) {
    throw new InvalidArgumentError(
      "Expected a duration like 500ms, 90s, 10m or 1.5h, at most 24 days",
    );
  }
  return ms;
}

/** A whole number from 0. */
export function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("Expected a whole number");
  return Number(text);
}

/** Reads a value, and knows the words that it may be: completion offers them. */
export interface Chooser<Word extends string, Value> {
  (text: string, before?: Value): Value;
  words: readonly Word[];
}

/** One of these words. */
export function oneOf<Word extends string>(words: readonly Word[]): Chooser<Word, Word> {
  return Object.assign((text: string) => wordOf(words, text), { words });
}

/** The same for an option that may be given again. */
export function someOf<Word extends string>(words: readonly Word[]): Chooser<Word, Word[]> {
  const choose = (text: string, before?: Word[]) => [...(before ?? []), wordOf(words, text)];
  return Object.assign(choose, { words });
}

function wordOf<Word extends string>(words: readonly Word[], text: string): Word {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`Expected one of ${words.join(", ")}`);
}

/** A duration as it was written, for a gateway that reads it itself. */
export function durationText(text: string): string {
  duration(text);
  return text;
}

/** A moment to come: a duration from now, or a date with or without a time of day. */
export function moment(text: string): Date {
  const ms = parseDuration(text);
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const at = ms === undefined ? (isDate ? Date.parse(text) : Number.NaN) : Date.now() + ms;
  if (at > Date.now()) return new Date(at);
  throw new InvalidArgumentError(
    "Expected a duration like 2h, or a date to come like 2030-01-31 or 2030-01-31T12:00:00Z",
  );
}

/** A TCP port; 0 takes a free one. */
export function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 65_535)) throw new InvalidArgumentError("Expected a port from 0 to 65535");
  return value;
}

/** Statuses, separated by commas. */
export const statuses: Chooser<RunStatus, RunStatus[]> = Object.assign(readStatuses, {
  words: runStatuses,
});

function readStatuses(text: string, before?: RunStatus[]): RunStatus[] {
  const named = text.split(",").map((name) => name.trim());
  const unknown = named.find((name) => !(runStatuses as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `There is no status ${JSON.stringify(unknown)}; there are ${runStatuses.join(", ")}`,
    );
  }
  return [...(before ?? []), ...(named as RunStatus[])];
}
