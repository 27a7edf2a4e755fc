import { isMet, type Row, shownTarget, shownValue } from "./row.ts";

/** The rows as a table for a terminal. */
export function tableOf(rows: readonly Row[]): string {
  const head = ["row", "value", "target", "met", "spread", "detail"];
  const lines = [head, ...rows.map(cellsOf)];
  const widths = head.map((_, column) =>
    Math.max(...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A row as words: name, value, target, met, spread, detail. */
export function cellsOf(row: Row): string[] {
  const { name, value, unit, spread, detail } = row;
  const met = isMet(row);
  return [
    name,
    value === null ? "-" : shownValue(value, unit),
    shownTarget(row),
    met === null ? "" : met ? "yes" : "NO",
    spread ? spread.map((part) => Number(part.toPrecision(3))).join(" - ") : "",
    detail ?? "",
  ];
}
