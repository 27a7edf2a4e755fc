/** The benchmark as a program: that every row is there and can be read. What the figures are is not for a test to say. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { regression } from "../bench/baseline.ts";
import { chartOf } from "../bench/chart.ts";
import { interleave, quantile, ratio } from "../bench/measure.ts";
import { withFigures } from "../bench/page.ts";
import { atLeast, atMost, isMet, type JsonRow, jsonOf, type Row } from "../bench/row.ts";
import { tempDir } from "./support/temp-dir.ts";

const root = resolve(import.meta.dirname, "..");

const row: Row = {
  ...{ name: "sandbox.cold", what: "A & <b>", value: 1.234567, unit: "x" },
  ...{ target: atMost(1.2), spread: [1.1, 1.3], detail: "p50 4 ms" },
};
const unmeasured: Row = { ...row, name: "steps.peer.none", value: null, target: null };

describe("the benchmark", () => {
  it("measures every row that is promised, and writes one object for each as JSON", async () => {
    const json = join(await tempDir("bench"), "rows.json");
    const args = ["bench/bench.ts", "--quick", "--no-peers", "--json", json];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    const rows = JSON.parse(readFileSync(json, "utf8")) as JsonRow[];
    const promised = rows.filter(({ target }) => target !== null);
    expect(promised.map(({ name }) => name)).toEqual([
      ...["sandbox.warm", "sandbox.cold", "starts.sustained", "corridor.exec"],
      ...["journal.serial", "journal.parallel", "http.first-event", "http.p99-under-load"],
      ...["restart.next-event", "parked.memory", "parked.processes"],
      ...["trees.ended", "trees.time", "trees.fair", "trees.memory"],
      ...["redaction.text", "redaction.bytes", "redaction.stream", "redaction.near-misses"],
      "redaction.search",
      ...["layers.capture", "layers.open", "layers.memory"],
      ...["builds.exec", "builds.unpack", "builds.second"],
      ...["network.added", "network.slow-host"],
      ...["policy.cold_p50", "policy.cold_p99", "policy.repeated"],
      ...["policy.arbitrary", "policy.nested", "proxy.added", "proxy.slow-upstream"],
      ...["script.result", "skills.unchanged", "skills.sent"],
      ...["archive.memory", "archive.throughput", "archive.others"],
    ]);
    for (const { name, value, unit, target, met } of promised) {
      // What waits costs no process, and hardly any memory; what is unchanged is not sent.
      if (/^parked\.|\.sent$/.test(name)) expect(value, name).toBeTypeOf("number");
      else expect(value, name).toBeGreaterThan(0);
      expect(unit, name).not.toBe("");
      expect(target, name).toMatch(/^(<=|>=) [\d.]+ \S+$/);
      expect(met, name).toBeTypeOf("boolean");
      expect(stdout).toContain(name);
    }
  }, 480_000);

  it("says of a peer that it leaves out that it is not measured, and why", async () => {
    const json = join(await tempDir("bench"), "rows.json");
    const args = ["bench/bench.ts", "--quick", "--no-peers", "--only", "steps", "--json", json];
    await promisify(execFile)(process.execPath, args, { cwd: root });
    const rows = JSON.parse(readFileSync(json, "utf8")) as JsonRow[];
    const peer = rows.find(({ name }) => name === "steps.peer.restate");
    expect(peer).toMatchObject({ value: null, target: null, met: null });
    expect(peer?.detail).toBe("not measured: peers were left out");
  }, 180_000);

  it("refuses a group that does not exist, and names those that do", async () => {
    const args = ["bench/bench.ts", "--only", "nothing"];
    const asked = promisify(execFile)(process.execPath, args, { cwd: root });
    await expect(asked).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no group "nothing"[\s\S]*sandbox, starts, corridor/),
    });
  });
});

describe("measuring", () => {
  it("runs every variant once in each round, beginning with another each time", async () => {
    const order: string[] = [];
    const variant = (name: string) => ({
      name,
      async once() {
        order.push(name);
        return order.length;
      },
    });
    const samples = await interleave([variant("a"), variant("b")], 2);
    expect(order.join("")).toBe("abbaabba");
    // Two rounds of warming up come first.
    expect(samples.get("a")).toEqual([5, 8]);
  });

  it("forms a ratio of medians, and shows how far noise moves it", () => {
    const samples = new Map([
      ["slow", [2, 2, 2, 2, 2, 2, 2, 2, 4, 4]],
      ["fast", [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ]);
    expect(ratio(samples, "slow", "fast")).toEqual({ value: 2, spread: [2, 4] });
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
  });
});

describe("a row", () => {
  it("meets its target at the very value, and never when it was not measured fairly", () => {
    expect(isMet({ ...row, value: 1.2 })).toBe(true);
    expect(isMet({ ...row, value: 1.21 })).toBe(false);
    expect(isMet({ ...row, value: 80, target: atLeast(80) })).toBe(true);
    expect(isMet({ ...row, value: null })).toBe(false);
    expect(isMet({ ...row, value: 1, isFair: false })).toBe(false);
    expect(isMet(unmeasured)).toBeNull();
  });

  it("has regressed when a ratio is half as bad again as the baseline, noise allowed", () => {
    const before = jsonOf(row);
    expect(regression({ ...row, value: 1.85 }, before)).toEqual([]);
    expect(regression({ ...row, value: 1.9 }, before)).toEqual([
      "sandbox.cold has regressed: 1.9 x, and it was 1.235 x in the baseline",
    ]);
    expect(regression({ ...row, value: 1.9 }, { ...before, spread: [1, 2] })).toEqual([]);
    const share: Row = { ...row, unit: "%", target: atLeast(80), value: 300, spread: [250, 350] };
    expect(regression({ ...share, value: 210 }, jsonOf(share))).toEqual([]);
    expect(regression({ ...share, value: 190 }, jsonOf(share))).toHaveLength(1);
    expect(regression({ ...row, value: null }, before)).toHaveLength(1);
    expect(regression(row, undefined)).toEqual([]);
  });

  it("that is a time has regressed only when it misses its target as well", () => {
    const time: Row = { ...row, unit: "ms", target: atMost(10), value: 2 };
    expect(regression({ ...time, value: 9 }, jsonOf(time))).toEqual([]);
    expect(regression({ ...time, value: 11 }, jsonOf(time))).toHaveLength(1);
    const rate: Row = {
      ...row,
      unit: "MB/s",
      target: atLeast(100),
      value: 300,
      spread: [200, 350],
    };
    expect(regression({ ...rate, value: 110 }, jsonOf(rate))).toEqual([]);
    expect(regression({ ...rate, value: 90 }, jsonOf(rate))).toHaveLength(1);
  });
});

describe("what is shown", () => {
  it("is a chart of well-formed XML, with a bar for every row that has a target", () => {
    const chart = chartOf([row, { ...row, value: null }, unmeasured], "Title & <more>");
    expect(unclosedTags(chart)).toEqual([]);
    expect(chart.match(/class="(met|missed)"/g)).toHaveLength(2);
    expect(chart).toContain("Title &amp; &lt;more&gt;");
    expect(chart).toContain("not measured");
    expect(chart).toContain("prefers-color-scheme: dark");
  });

  it("is a page whose words are kept when its figures are renewed", () => {
    const page = readFileSync(join(root, "docs/performance.md"), "utf8");
    const once = withFigures(page, [row, unmeasured]);
    const [words = ""] = page.split("<!-- figures");
    expect(once.startsWith(words)).toBe(true);
    expect(once).toContain("| `sandbox.cold` | A & <b> | 1.23 x | <= 1.2 x | NO | 1.1 - 1.3 |");
    expect(once).toMatch(/Measured on \d{4}-\d\d-\d\d, on \d+ cores of .*, Node 2\d/);
    expect(withFigures(once, [row, unmeasured])).toBe(once);
    expect(() => withFigures("A page of somebody else", [row])).toThrow("lacks");
  });
});

/** The tags that are open at the end or closed wrongly, in a document that has no attributes with `>`. */
function unclosedTags(xml: string): string[] {
  const open: string[] = [];
  for (const [, close, name = "", self] of xml.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close === "") {
      if (self === "") open.push(name);
    } else if (open.pop() !== name) return [name];
  }
  return open;
}
