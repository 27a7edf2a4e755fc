import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { ProxyAuthShape } from "../contract/proxy-endpoint.ts";
import { checkQuery, withParameter } from "./proxy-query.ts";

const shape: ProxyAuthShape = { type: "query", name: "api.Key" };
const codeOf = (query: string, authShape: ProxyAuthShape = shape): string => {
  try {
    checkQuery(authShape, query);
    return "ok";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "thrown";
  }
};

describe("the query of a call", () => {
  it.each(["", "a=1", "a=1&b", "q=api.key", "a=b=c", "x=%20+%C3%A9", 'j={"a":[1]}', "apikey=1"])(
    "goes on as it came: %s",
    (query) => {
      expect(codeOf(query)).toBe("ok");
    },
  );

  it.each(
    [
      ["api.Key=x", "API.KEY", "a=1&api.Key=x", "a;api.Key=x", "api%2eKey=x", "%61pi.Key=x"],
      ["api.Key[]=x", "api.Key[0]=x", "+api.Key=x", "%20api.Key=x", "api.Key%00=x", "api_key=x"],
      ["api.Key%5b%5d=x", "%E9&api.Key=x", "api.Key", "&&api.Key=", "api%2Ekey%20=1"],
    ].flat(),
  )("cannot name the parameter of the credential: %s (H07)", (query) => {
    expect(codeOf(query)).toBe("policy_denied");
    if (!query.includes("_method")) expect(codeOf(query, { type: "bearer" })).toBe("ok");
  });

  it.each(["_method=DELETE", "a=1&_METHOD=x", "%5fmethod=PUT", "_method[]=x", "a;_method=x"])(
    "cannot name another method: %s (H03)",
    (query) => {
      expect(codeOf(query, { type: "none" })).toBe("policy_denied");
    },
  );

  it.each(["a#b", "a b", "é", "a=%", "a=%2", "a=%zz", "a\r\nb", "a\0", "a".repeat(20_000)])(
    "is refused when it is none: %j",
    (query) => {
      expect(codeOf(query)).toBe("bad_request");
    },
  );

  it("that passed has the credential's parameter once, whatever the caller sent (H07)", () => {
    const piece = fc.constantFrom(
      "api.Key",
      "%61",
      "&",
      "=",
      ";",
      "x",
      "+",
      "%2e",
      "api",
      "[",
      "Key",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const query = pieces.join("");
        if (codeOf(query) !== "ok") return;
        const sent = new URLSearchParams(withParameter(query, "api.Key", "s&cret=1"));
        expect(sent.getAll("api.Key")).toEqual(["s&cret=1"]);
      }),
      { numRuns: 3_000 },
    );
  });
});
