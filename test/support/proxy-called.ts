import type { NewEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { ProxyCalled } from "../../src/contract/proxy-call.ts";

/** A call of a proxy endpoint that its upstream answered; `over` replaces what a test is about. */
export function proxyCalled(over: Partial<ProxyCalled> = {}): NewEvent {
  return {
    type: "proxy.called",
    data: {
      ...{ id: newId("proxyCall"), call_id: null, endpoint: "api", door: "protocol" },
      ...{ method: "GET", path: "/v1/items", request_bytes: 3, status: 200, response_bytes: 40 },
      ...{ outcome: "ok", error: null, mode_clamped: false, truncated: false, redacted: false },
      ...{ address: "192.0.2.7", started_at: "2026-11-20T12:00:00.000Z", duration_ms: 12 },
      ...over,
    },
  };
}
