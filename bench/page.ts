import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { chartOf } from "./chart.ts";
import { isBusy, machine } from "./machine.ts";
import type { Row } from "./row.ts";
import { cellsOf } from "./table.ts";

const docs = resolve(import.meta.dirname, "../docs");
const begin = "<!-- figures: written by `npm run bench -- --write-docs` -->";
const end = "<!-- end of figures -->";

const busy =
  "**The machine was busy with other work: the times and rates here are too bad, and the ratios are rough.**";

/** Renews the figures of docs/performance.md between its two marks, and the chart; the words around them are kept. */
export function writePage(rows: readonly Row[], earlier: readonly string[] = []): void {
  const path = join(docs, "performance.md");
  if (!existsSync(path)) throw new Error(`There is no ${path}`);
  writeFileSync(path, withFigures(readFileSync(path, "utf8"), rows, earlier));
  writeFileSync(join(docs, "performance.svg"), chartOf(rows, "Airlock, measured"));
}

/** Exported for its test. Throws when the page has lost its marks: the words of a person are never overwritten. */
export function withFigures(
  page: string,
  rows: readonly Row[],
  earlier: readonly string[] = [],
): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`The page lacks ${begin} or ${end}`);
  return `${page.slice(0, from)}${begin}\n${figures(rows, earlier)}\n${page.slice(to)}`;
}

function figures(rows: readonly Row[], earlier: readonly string[]): string {
  const day = new Date().toISOString().slice(0, 10);
  const promised = rows.filter(({ target }) => target !== null);
  const beside = rows.filter(({ target }) => target === null);
  const groups = [...new Set(earlier.map((name) => `\`${name.split(".")[0]}\``))];
  const kept = groups.length === 0 ? "" : ` Rows of ${groups.join(", ")} were measured earlier.`;
  return [
    `Measured on ${day}, on ${machine()}.${kept}${isBusy() ? ` ${busy}` : ""}`,
    "",
    "| row | what | value | target | met | in slices |",
    "|---|---|--:|--:|---|--:|",
    ...promised.map((row) => {
      const [name = "", value = "", target = "", met = "", spread = ""] = cellsOf(row);
      return lineOf([`\`${name}\``, row.what, value, target, met, spread]);
    }),
    "",
    "Beside them, without a target: peers and floors.",
    "",
    "| row | what | value | in slices |",
    "|---|---|--:|--:|",
    ...beside.map((row) => {
      const [name = "", value = "", , , spread = ""] = cellsOf(row);
      return lineOf([`\`${name}\``, row.what, value, spread]);
    }),
    "",
    "In detail:",
    "",
    ...rows.filter(({ detail }) => detail).map(({ name, detail }) => `- \`${name}\`: ${detail}`),
  ].join("\n");
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
