const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** The longest timer there is: a longer one would fire at once. About 24 days. */
const maxMs = 2_147_483_647;

/**
 * A duration in milliseconds: a number and `ms`, `s`, `m` or `h`; a bare number is milliseconds.
 * Nothing else is a duration: `5min`, `-5s` and `soon` give undefined, never 0.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!match) return undefined;
  const ms = Math.round(Number(match[1]) * units[(match[2] ?? "ms") as keyof typeof units]);
  return ms <= maxMs ? ms : undefined;
}

/** For people: `840 ms`, `12.3 s`, `4 m 05 s`, `2 h 07 m`. */
export function showDuration(ms: number): string {
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(Math.round(ms) / 100) / 10).toFixed(1)} s`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${two((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${two((ms % 3_600_000) / 60_000)} m`;
}
