import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openEventCheck } from "./check-events.ts";
import { parseJson, weightOf } from "./parse-json.ts";

const of = (text: string) => Buffer.from(text);

describe("JSON of an archive", () => {
  it("is what JSON.parse says, whatever stands in its texts", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(of(text), 1_000_000)).toEqual(JSON.parse(text));
      }),
    );
    const text = JSON.stringify({ "a,[{": ',,,,\\"{{{{' });
    expect(weightOf(of(text))).toBe(4);
    expect(parseJson(of(text), 4)).toEqual(JSON.parse(text));
  });

  it("is refused by the number of its values before they are made", () => {
    expect(parseJson(of("[1,2,3]"), 3)).toEqual([1, 2, 3]);
    for (const text of ["[1,2,3,4]", "[[[[]]]]", "{}", ",,,,"]) {
      expect(() => parseJson(of(text), 3)).toThrow("has more values than a gateway writes");
    }
  });

  it("is refused when it is no JSON, or no UTF-8", () => {
    for (const bytes of [of(""), of('"a'), of('"\\'), of("{"), Buffer.from([0x22, 0xff, 0x22])]) {
      expect(() => parseJson(bytes, 10)).toThrow("is no JSON");
    }
  });

  it("costs whoever verifies a small archive neither memory nor minutes", () => {
    for (const [type, count] of [
      ["outputs.captured", 2_000_000],
      ["run.submitted", 10_000_000],
    ] as const) {
      const said: string[] = [];
      const check = openEventCheck("run_1", (message) => said.push(message));
      const head = '{"seq":1,"runId":"run_1","time":"t","hash":"h"';
      check.push(Buffer.from(`${head},"type":"${type}","data":{"outputs":[`));
      for (let n = 0; n < count; n += 100_000) check.push(Buffer.alloc(300_000, "{},"));
      check.push(Buffer.from("{}]}}\n"));
      expect(check.end().count).toBe(1);
      expect(said).toEqual(["Line 1 of events.jsonl has more values than a gateway writes"]);
    }
  }, 20_000);

  it("of a submission may be as large as a prompt can be", () => {
    const said: string[] = [];
    const check = openEventCheck("run_1", (message) => said.push(message));
    const head = '{"seq":1,"runId":"run_1","time":"t","hash":"h"';
    const input = "0,".repeat(2 * 1024 * 1024);
    check.push(Buffer.from(`${head},"type":"run.submitted","data":{"input":[${input}0]}}\n`));
    check.end();
    expect(said.join()).not.toContain("more values");
  });
});
