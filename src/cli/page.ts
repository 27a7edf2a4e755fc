/**
 * Pages of text that somebody else wrote. Every row begins with a mark of ours, the rows that a terminal would have made
 * by itself too: whatever is in the text, none of it can stand where our own words stand.
 */

type Paint = (text: string) => string;

export interface PageLine {
  /** Ours, before the first row. */
  mark: string;
  text: string;
  paint?: Paint | undefined;
}

/** A line of our own words, perhaps with a spelt value in it. */
export function own(text: string, paint?: Paint): PageLine {
  return { mark: "", text, paint };
}

/** Lines of somebody else's text, already spelt. */
export function quote(text: string, paint?: (line: string) => Paint | undefined): PageLine[] {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => ({ mark: "  │ ", text: line, paint: paint?.(line) }));
}

const continued = "  ┊ ";

/** The rows of a page. With `columns` every row fits into a terminal of that width. */
export function layOut(lines: readonly PageLine[], columns: number | undefined): string[] {
  return lines.flatMap(({ mark, text, paint = (row) => row }) => {
    if (columns === undefined) return [`${mark}${paint(text)}`];
    const rows = chop(text, Math.max(20, columns - 1 - continued.length));
    return rows.map((row, index) => `${index === 0 ? mark : continued}${paint(row)}`);
  });
}

/** How many rows of 80 columns a text takes. */
export function rowsOf(text: string): number {
  return text.split("\n").reduce((sum, line) => sum + chop(line, 80).length, 0);
}

function chop(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = "";
  let used = 0;
  for (const char of text) {
    const wide = widthOf(char, used);
    if (used + wide > width && row !== "") {
      rows.push(row);
      row = "";
      used = 0;
    }
    row += char;
    used += wide;
  }
  rows.push(row);
  return rows;
}

/** Columns that a character takes at most: one too many does no harm. */
function widthOf(char: string, at: number): number {
  if (char === "\t") return 8 - (at % 8);
  return (char.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
}
