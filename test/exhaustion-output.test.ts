/**
 * Runs that say too much, and say it badly. What is kept and shown is bounded, the run beside them
 * does not notice, and nothing is left.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { identities } from "./support/escape-identities.ts";
import {
  type Endured,
  type HostileHost,
  isSoak,
  MiB,
  openHostileHost,
  timeout,
} from "./support/hostile-host.ts";

/** What is kept of stdout and of stderr of one call, and what the model is shown of each. */
const streamKept = 4 * MiB;
const streamShown = 34 * 1024;
/**
 * The most that the gateway may grow over a flood of both, at its peak: two heads, a copy of each to keep, what is searched
 * for secrets of each, and what the collector has not come round to (75 to 90 MiB were seen). It goes through one buffer, so a
 * second of it costs no more than a moment.
 */
const streamGrowth = 128 * MiB;

describe.each(identities)("with the gateway as $name, a run", { timeout }, (identity) => {
  let host: HostileHost;
  beforeAll(async () => {
    host = await openHostileHost(identity);
  });
  afterAll(() => host.close());

  /** The blob of a stream of a call, whole. */
  function kept({ history }: Endured, number: number, stream: "stdout" | "stderr"): Buffer {
    const finished = history.filter((event) => isEvent(event, "call.finished"))[number];
    const hex = finished?.data[stream]?.blob.slice("sha256:".length) ?? "";
    return readFileSync(join(host.gateway.dataDir, "blobs", hex.slice(0, 2), hex.slice(2)));
  }

  it("floods both streams, and costs no more than is kept", async () => {
    const endured = await host.endure({
      commands: ["yes both & yes streams >&2", "echo after"],
      limits: { callSeconds: isSoak ? 60 : 1.5 },
      growthBytes: streamGrowth,
      keptBytes: 2 * streamKept + 8 * MiB,
    });
    const { results, defects } = endured;
    console.log(`a flood of both streams: +${Math.round(endured.grewBytes / MiB)} MiB at the peak`);
    expect(defects).toEqual([]);
    // Whichever comes first: it depends on how fast the machine is.
    expect(["output_limit", "timeout"]).toContain(results[0]?.error_kind);
    expect(results[0]?.ok).toBe(false);
    for (const stream of ["stdout", "stderr"] as const) {
      expect(Buffer.byteLength(results[0]?.[stream] ?? "")).toBeLessThan(streamShown);
      expect(kept(endured, 0, stream).length).toBeLessThanOrEqual(streamKept);
    }
    expect(results[1]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("says one line without end, and costs no more than is kept", async () => {
    const size = isSoak ? 1100 : 40;
    const endured = await host.endure({
      commands: [`head -c ${size * MiB} /dev/zero | tr '\\0' x; echo ' end'`, "echo after"],
      limits: { callSeconds: 50 },
      growthBytes: streamGrowth,
      keptBytes: streamKept + 8 * MiB,
    });
    const { results, defects } = endured;
    console.log(`one line of ${size} MiB: +${Math.round(endured.grewBytes / MiB)} MiB at the peak`);
    expect(defects).toEqual([]);
    expect(results[0]).toMatchObject(isSoak ? { error_kind: "output_limit" } : { ok: true });
    expect(Buffer.byteLength(results[0]?.stdout ?? "")).toBeLessThan(streamShown);
    expect(results[0]?.stdout).toMatch(isSoak ? /^x.*x$/s : /^x.*x end\n$/s);
    expect(kept(endured, 0, "stdout").length).toBe(streamKept);
    expect(results[1]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("says it byte by byte, and costs no event for each", async () => {
    const { history, results, defects } = await host.endure({
      commands: ["while :; do printf x; done", "echo after"],
      limits: { callSeconds: 1 },
    });
    expect(defects).toEqual([]);
    expect(results[0]).toMatchObject({ ok: false, error_kind: "timeout" });
    expect(results[0]?.stdout).toMatch(/^x+/);
    expect(history.length).toBeLessThan(20);
    expect(results[1]).toMatchObject({ ok: true, stdout: "after\n" });
  });

  it("says what is no text: it is marked for the model and kept as it was", async () => {
    const bytes = Buffer.concat([
      Buffer.from("\0\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31m\u202e\r\n\xff", "latin1"),
      Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80]),
    ]);
    const many = Buffer.concat(Array.from({ length: 4000 }, () => bytes));
    const endured = await host.endure({
      commands: ["cat /workspace/bytes", "cat /workspace/many /workspace/many", "echo after"],
      files: [
        { path: "bytes", bytes },
        { path: "many", bytes: many },
      ],
    });
    const { results, defects } = endured;
    expect(defects).toEqual([]);
    expect(results[0]?.stdout).toBe(bytes.toString("utf8"));
    expect(results[0]?.stdout).toContain("\ufffd");
    expect(results[1]?.stdout).toContain("bytes are left out here");
    expect(kept(endured, 1, "stdout").equals(Buffer.concat([many, many]))).toBe(true);
    expect(results[2]).toMatchObject({ ok: true, stdout: "after\n" });
  });
});
