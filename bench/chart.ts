import { isMet, type Row, shownTarget, shownValue } from "./row.ts";

const width = 860;
const rowHeight = 30;
const labelWidth = 230;
const valueWidth = 190;
const barWidth = width - labelWidth - valueWidth;
/** The target is here; what lies left of it meets it. */
const targetAt = 0.5;
const top = 56;

/**
 * A bar for every row that has a target: how much of what the target allows is used. For "at least" the fraction is
 * turned round, so that in every row shorter is better and the line is the target. Plain SVG with colours of its own
 * for light and dark, since a page may show it on either.
 */
export function chartOf(rows: readonly Row[], title: string): string {
  const bars = rows.filter(({ target }) => target !== null);
  const height = top + bars.length * rowHeight + 20;
  const line = labelWidth + targetAt * barWidth;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    style,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    `<text class="title" x="16" y="24">What is measured, as a share of its target</text>`,
    `<text class="quiet" x="${line}" y="46" text-anchor="middle">target</text>`,
    ...bars.map((row, index) => barOf(row, top + index * rowHeight)),
    `<line class="target" x1="${line}" x2="${line}" y1="${top - 4}" y2="${height - 16}"/>`,
    "</svg>",
    "",
  ].join("\n");
}

function barOf(row: Row, y: number): string {
  const share = shareOf(row);
  const length = Math.max(2, Math.min(1, (share ?? 0) * targetAt) * barWidth);
  const met = isMet(row) === true;
  const value = row.value === null ? "not measured" : shownValue(row.value, row.unit);
  const middle = y + rowHeight / 2 + 4;
  const end = labelWidth + barWidth + 12;
  return [
    `<text x="16" y="${middle}">${escaped(row.name)}</text>`,
    `<rect class="${met ? "met" : "missed"}" x="${labelWidth}" y="${y + 6}" width="${length.toFixed(1)}" height="${rowHeight - 12}" rx="2"/>`,
    `<text x="${end}" y="${middle}">${escaped(value)} <tspan class="quiet">(${escaped(shownTarget(row))})</tspan></text>`,
  ].join("\n");
}

/** 1 is exactly the target, less is better. Null when there is no figure. */
function shareOf({ value, target }: Row): number | null {
  if (value === null || target === null) return null;
  return target.is === "at most" ? value / target.value : target.value / value;
}

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.page { fill: #ffffff; stroke: #d1d9e0 }
.title { font-weight: 600; font-size: 15px }
.quiet { fill: #59636e }
.met { fill: #1a7f64 }
.missed { fill: #c4432b }
.target { stroke: #59636e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117; stroke: #3d444d }
.quiet { fill: #9198a1 }
.met { fill: #3fb68b }
.missed { fill: #f0715a }
.target { stroke: #9198a1 }
}
</style>`;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
