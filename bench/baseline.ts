import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMet, type JsonRow, jsonOf, type Row, rowOf } from "./row.ts";

const path = join(import.meta.dirname, "baseline.json");

/**
 * How much worse a figure may be than in the baseline before it counts, beyond the noise that the baseline itself had in
 * its slices. Ratios are held to that wherever they are measured; times depend on the machine, so one that still meets
 * its target is let through.
 */
const tolerance = 0.5;

/** Names every row that has become worse than the baseline allows, in a sentence each; empty when none has. */
export function compareWithBaseline(rows: readonly Row[]): string[] {
  if (!existsSync(path)) return ["There is no bench/baseline.json: make one with --write-baseline"];
  const baseline = JSON.parse(readFileSync(path, "utf8")) as JsonRow[];
  const before = new Map(baseline.map((row) => [row.name, row]));
  return rows.flatMap((row) => regression(row, before.get(row.name)));
}

/** Exported for its test. A row without a target, such as a peer's, cannot become worse. */
export function regression(row: Row, before: JsonRow | undefined): string[] {
  const { name, value, unit, target } = row;
  if (target === null || before === undefined || before.value === null) return [];
  if (value === null) return [`${name} could be measured once and cannot now: ${row.detail}`];
  const isRatio = unit === "x" || unit === "%";
  if (!isRatio && isMet(row) === true) return [];
  const noise = before.spread ?? [before.value, before.value];
  const isWorse =
    target.is === "at most"
      ? value > Math.max(before.value * (1 + tolerance), noise[1])
      : value < Math.min(before.value / (1 + tolerance), noise[0]);
  if (!isWorse) return [];
  const was = `${before.value} ${unit} in the baseline`;
  return [`${name} has regressed: ${Number(value.toPrecision(3))} ${unit}, and it was ${was}`];
}

/**
 * The rows that were measured now, and in their places those of the baseline that were not: a group can be measured anew
 * by itself. Rows that the baseline does not know come last.
 */
export function withEarlier(rows: readonly Row[]): { rows: Row[]; earlier: string[] } {
  if (!existsSync(path)) return { rows: [...rows], earlier: [] };
  const baseline = JSON.parse(readFileSync(path, "utf8")) as JsonRow[];
  const now = new Map(rows.map((row) => [row.name, row]));
  const known = new Set(baseline.map(({ name }) => name));
  return {
    rows: [
      ...baseline.map((before) => now.get(before.name) ?? rowOf(before)),
      ...rows.filter(({ name }) => !known.has(name)),
    ],
    earlier: baseline.flatMap(({ name }) => (now.has(name) ? [] : [name])),
  };
}

/** Keeps these rows as what later ones are compared with. */
export function writeBaseline(rows: readonly Row[]): void {
  writeFileSync(path, `${JSON.stringify(rows.map(jsonOf), null, 2)}\n`);
}
