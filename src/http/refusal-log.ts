import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Problem } from "../contract/problem.ts";

const windowMs = 60_000;
/** Lines of one kind in a minute. Enough to see who does what; a flood says the same again and again. */
const linesPerWindow = 100;

export interface Refused {
  requestId: string;
  method: string;
  route: string;
}

/** Writes down that a request was answered with a problem. */
export type RefusalLog = (problem: Problem, request: Refused, cause: unknown) => void;

/**
 * The log of answers that are problems. Of one kind (code and route, both from closed lists) only the first lines of a
 * minute are written, then how many were left out: a flood of bad requests must not fill the operator's disk (I9).
 */
export function openRefusalLog(log: Log, clock: Clock): RefusalLog {
  const kinds = new Map<string, { startedAt: number; lines: number; leftOut: number }>();

  function mayWrite(code: string, route: string): boolean {
    const now = clock.monotonic();
    const key = `${code} ${route}`;
    let kind = kinds.get(key);
    if (!kind || now - kind.startedAt >= windowMs) {
      if (kind && kind.leftOut > 0) {
        log.warn({ code, route, leftOut: kind.leftOut }, "http.refusals_left_out");
      }
      kind = { startedAt: now, lines: 0, leftOut: 0 };
      kinds.set(key, kind);
    }
    if (kind.lines >= linesPerWindow) {
      kind.leftOut += 1;
      return false;
    }
    kind.lines += 1;
    return true;
  }

  return (problem, request, cause) => {
    const isOurs = problem.status >= 500 && problem.code !== "shutting_down";
    if (!log.isLevelEnabled(isOurs ? "error" : "debug")) return;
    if (!mayWrite(problem.code, request.route)) return;
    const seen = { ...request, status: problem.status, code: problem.code };
    if (isOurs) log.error({ ...seen, err: cause }, "http.failed");
    else log.debug(seen, "http.refused");
  };
}
