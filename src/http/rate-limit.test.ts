import { describe, expect, it } from "vitest";
import { bodyOf, handClock, openFrontDoor } from "../../test/support/front-door.ts";
import type { ErrorBody } from "../contract/problem.ts";
import { openRateLimit } from "./rate-limit.ts";

const limits = {
  ...{ submissionsPerMinute: 2, archivesPerMinute: 1, exportsPerMinute: 1, eventStreams: 10 },
  ...{ headersMs: 15_000, bodyIdleMs: 60_000 },
};

describe("a rate limit", () => {
  it("counts each workspace for itself, minute by minute", () => {
    const clock = handClock();
    const take = openRateLimit("things", 2, clock);
    take("a");
    take("a");
    clock.advance(15_000);
    take("b");
    expect(() => take("a")).toThrow(
      "This workspace asked for 3 things in a minute: expected 2 at most; ask again in 45 s",
    );
    clock.advance(45_000);
    take("a");
    take("a");
    expect(() => take("a")).toThrow("asked for 3 things");
  });

  it("is told with cap, count and a time to come back, before the body is looked at", async () => {
    const door = openFrontDoor({ limits });
    const { header } = door.token();
    const submit = (body: string) =>
      door.app.request("/api/runs", {
        method: "POST",
        headers: { ...header, "content-type": "application/json" },
        body,
      });
    expect((await submit('{"model":"scripted/x","prompt":"go"}')).status).toBe(201);
    expect((await submit("not JSON")).status).toBe(400);
    const refused = await submit("not JSON");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("60");
    expect((await bodyOf<ErrorBody>(refused)).error).toMatchObject({
      code: "too_many_requests",
      details: { cap: 2, observed: 3, retryAfterSeconds: 60 },
    });
    const other = door.token();
    const theirs = { ...other.header, "content-type": "application/json" };
    const answer = await door.app.request("/api/runs", {
      ...{ method: "POST", headers: theirs, body: '{"model":"scripted/x","prompt":"go"}' },
    });
    expect(answer.status).toBe(201);
  });

  it("holds for archives too, and for nothing else", async () => {
    const door = openFrontDoor({ limits });
    const { header, token } = door.token();
    const { id } = door.addRun(token.workspaceId);
    const get = async (path: string) => {
      const answer = await door.app.request(`/api/runs/${id}${path}`, { headers: header });
      await answer.body?.cancel();
      return answer.status;
    };
    expect(await get("/archive")).toBe(200);
    expect(await get("/archive")).toBe(429);
    expect(await get("")).toBe(200);
    expect(await get("/outputs")).toBe(200);
  });
});
