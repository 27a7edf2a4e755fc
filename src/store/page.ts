/**
 * How many of these rows, from the first on, make one page of at most `maxBytes`: all of a page is in memory at once, so
 * it is bounded in bytes as well as in rows (I9). One row always fits, or a reader would never get past it.
 */
export function rowsThatFit(rows: readonly { bytes: number }[], maxBytes: number): number {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    bytes += row.bytes;
    if (bytes > maxBytes && index > 0) return index;
  }
  return rows.length;
}
