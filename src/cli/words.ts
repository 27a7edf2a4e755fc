import { isBlobRef } from "../contract/blob-ref.ts";
import type { RequestedCall } from "../contract/event.ts";
import { plain, plainLine } from "./plain.ts";

/** A number with its noun: `1 call`, `3 calls`. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

/** Bytes for people, in powers of 1024: `812 B`, `4.2 KiB`. */
export function showBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Shortens a line to `max` characters, with an ellipsis in place of the rest. */
export function shorten(text: string, max: number): string {
  const chars = [...text];
  return chars.length <= max ? text : `${chars.slice(0, max - 1).join("")}…`;
}

/** The first lines of a text of a run, safe to print, and how many more there are. */
export function firstLines(text: string, max: number, columns = 200): string[] {
  const lines = plain(text.replace(/\n+$/, "")).split("\n");
  const shown = lines.slice(0, max).map((line) => shorten(line, columns));
  if (lines.length > max) shown.push(`… ${count(lines.length - max, "more line")}`);
  return shown;
}

/** A string of an event: itself, or the head of what was too long for an event. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!isBlobRef(value)) return undefined;
  return `${value.head}… (${showBytes(value.bytes)} in all)`;
}

/** What a call is about, on one line: its command, its program, what it is made of, its name, or all its arguments. */
export function callSummary(call: RequestedCall | undefined): string {
  const args = call?.arguments;
  if (typeof args !== "object" || args === null) return "";
  const members = args as Record<string, unknown>;
  const main =
    textOf(members.command) ??
    textOf(members.entrypoint) ??
    listOf(members.inputs) ??
    textOf(members.name) ??
    textOf(members.artifact_ref) ??
    JSON.stringify(args);
  return shorten(plainLine(main.trim()), 160);
}

function listOf(value: unknown): string | undefined {
  return Array.isArray(value) ? value.map(String).join(", ") : undefined;
}

/** Columns of equal width; the last one is left as it is. */
export function table(rows: string[][]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
