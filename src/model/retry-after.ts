/**
 * How long a provider asks to wait, in milliseconds: `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date.
 * Undefined when it does not say so, or says what cannot be read.
 */
export function retryAfterMs(headers: Record<string, string>, now: number): number | undefined {
  const lower = new Map(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const precise = Number.parseFloat(lower.get("retry-after-ms") ?? "");
  if (precise >= 0) return precise;
  const value = lower.get("retry-after")?.trim();
  if (value === undefined || value === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
