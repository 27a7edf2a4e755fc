import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import type { ProxyCalled } from "../contract/proxy-call.ts";
import type { ProxyBooks, ProxyRequest } from "./proxy.ts";
import type { Redactor } from "./redact.ts";

/** What is known of a call so far; it is written down once, when the call is over. */
export type CallRecord = ProxyCalled;

/** Makes the record of each call and settles it. */
export function openAudit(options: {
  books: ProxyBooks;
  redactor: () => Redactor;
  callId: () => string | null;
  clock: Clock;
}) {
  const { books, clock } = options;
  const begun = new WeakMap<CallRecord, number>();
  const denials = openDenials();
  return {
    /** Refusals that were not written down, because so many of the same were before them. */
    deniedUnreported: denials.unreported,
    begin(request: ProxyRequest): CallRecord {
      const clean = (text: string, most: number) =>
        cleanText(text.slice(0, limits.proxyPathBytes), options.redactor()).slice(0, most);
      const now = clock.now();
      const record: CallRecord = {
        id: newId("proxyCall", now),
        call_id: options.callId(),
        endpoint: clean(request.endpoint, 63),
        door: request.door,
        method: clean(request.method, 16),
        path: cleanPath(request.path.slice(0, limits.proxyPathBytes), options.redactor()),
        request_bytes: 0,
        status: null,
        response_bytes: 0,
        outcome: "denied",
        error: null,
        mode_clamped: false,
        truncated: false,
        redacted: false,
        address: null,
        started_at: new Date(now).toISOString(),
        duration_ms: 0,
      };
      begun.set(record, clock.monotonic());
      return record;
    },
    /** Durable when it resolves. What was denied is only counted once there are too many. */
    async settle(record: CallRecord): Promise<void> {
      if (record.outcome === "denied" && !denials.admit(record)) return;
      const from = begun.get(record) ?? clock.monotonic();
      record.duration_ms = Math.max(0, Math.round(clock.monotonic() - from));
      await books.settle({ ...record });
    },
  };
}

/** In ASCII. Secrets are cut out before that, because of theirs nothing would be found with other letters in them. */
function cleanText(text: string, redactor: Redactor): string {
  const shown = redactor.text(text);
  // What came over the wire has a character for each byte; a secret in UTF-8 is only found among the bytes.
  const isBytes = /[\x80-\xff]/.test(shown) && !/[^\x00-\xff]/.test(shown);
  const read = isBytes ? Buffer.from(shown, "latin1").toString() : shown;
  const clean = isBytes ? redactor.text(read) : read;
  return (clean === read ? shown : clean).replace(/[^\x20-\x7e]/g, "?");
}

/** A path keeps its spelling, unless a secret stands in it that only its decoded form shows. */
function cleanPath(path: string, redactor: Redactor): string {
  const text = cleanText(path, redactor);
  let decoded = text;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    return text;
  }
  const clean = redactor.text(decoded);
  return clean === decoded ? text : clean;
}

/** Code that knocks in a loop must not fill the journal, nor hide by it what else there is to tell. */
function openDenials() {
  const seen = new Map<string, number>();
  let reported = 0;
  let unreported = 0;
  return {
    unreported: () => unreported,
    admit({ endpoint, door, method, path, error }: CallRecord): boolean {
      const key = JSON.stringify([endpoint, door, method, path, error]);
      const same = seen.get(key) ?? 0;
      if (same >= limits.egressSameDenials || reported >= limits.egressDenials) {
        unreported += 1;
        return false;
      }
      seen.set(key, same + 1);
      reported += 1;
      return true;
    },
  };
}
