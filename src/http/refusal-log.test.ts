import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { handClock } from "../../test/support/front-door.ts";
import { openLog } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";
import { openRefusalLog } from "./refusal-log.ts";

describe("the log of refusals", () => {
  it("writes the first hundred of a kind in a minute, then how many it left out", () => {
    const lines: Record<string, unknown>[] = [];
    const stream = new PassThrough();
    stream.on("data", (chunk) => lines.push(JSON.parse(String(chunk))));
    const clock = handClock();
    const refusals = openRefusalLog(openLog("debug", { destination: stream }), clock);
    const refuse = (code: "unauthorized" | "storage_full") =>
      refusals(new Problem(code, "No"), { requestId: "req_1", method: "GET", route: "/x" }, "why");
    for (let sent = 0; sent < 1_000; sent++) refuse("unauthorized");
    expect(lines).toHaveLength(100);
    refuse("storage_full");
    expect(lines.at(-1)).toMatchObject({ level: "error", msg: "http.failed", err: "why" });
    clock.advance(60_000);
    refuse("unauthorized");
    expect(lines.slice(101)).toEqual([
      expect.objectContaining({
        msg: "http.refusals_left_out",
        code: "unauthorized",
        leftOut: 900,
      }),
      expect.objectContaining({ msg: "http.refused", code: "unauthorized" }),
    ]);
  });
});
