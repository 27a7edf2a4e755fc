/**
 * Many hostile runs at once: the run beside them goes on, the API answers, and nothing is left.
 * How fast the API answers is a matter of the soak: a busy machine proves nothing about that.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identities } from "./support/escape-identities.ts";
import {
  askWhile,
  type HostileHost,
  isSoak,
  leftovers,
  MiB,
  openHostileHost,
  startBenign,
  submitHostile,
  timeout,
} from "./support/hostile-host.ts";
import { resultsOf } from "./support/results-of.ts";

const crowd = isSoak ? 20 : 6;
const answersWithinMs = 250;

/** Each with the names by which its command may end. */
const attacks: [command: string, ends: string[]][] = [
  [":(){ :|:& };:; sleep 60", ["timeout", "process_limit"]],
  ["for i in $(seq 16); do while :; do :; done & done; wait", ["timeout"]],
  ["tail /dev/zero; exit", ["memory_limit"]],
  ["yes both & yes streams >&2", ["timeout", "output_limit"]],
  // On a busy machine its time may be over before its disk is measured.
  ["head -c 50000000 /dev/zero > /tmp/fill; sleep 60", ["disk_limit", "timeout"]],
  ["exec <&- >&- 2>&-; while :; do (sleep 60 &) ; done", ["timeout", "process_limit"]],
];

describe.each(identities)("with the gateway as $name", { timeout }, (identity) => {
  let host: HostileHost;
  beforeAll(async () => {
    host = await openHostileHost(identity);
  });
  afterAll(() => host.close());

  it(`${crowd} hostile runs at once neither stop a benign one nor the API`, async () => {
    const { gateway } = host;
    const benign = await startBenign(gateway);
    const hostile = Array.from({ length: crowd }, (_, index) => attacks[index % attacks.length]);
    const refs = await Promise.all(
      hostile.map(([command = ""] = ["", []]) =>
        submitHostile(gateway, {
          commands: [command],
          limits: {
            callSeconds: isSoak ? 10 : 2,
            memoryBytes: 96 * MiB,
            diskBytes: 32 * MiB,
          },
        }),
      ),
    );
    const { ended, defects, tookMs } = await askWhile(
      gateway,
      Promise.all(refs.map((ref) => ref.wait())),
    );
    defects.push(...(await benign.finish()));
    for (const [index, run] of (await ended).entries()) {
      defects.push(...leftovers(gateway, run));
      const [result] = await resultsOf(gateway, run.id);
      const [command, ends = []] = hostile[index] ?? [];
      if (!ends.includes(String(result?.error_kind))) {
        defects.push(`${command} ended as ${JSON.stringify(result)}`);
      }
    }
    expect(defects).toEqual([]);
    expect(tookMs.length).toBeGreaterThan(10);
    const sorted = tookMs.sort((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)];
    process.stdout.write(
      `${crowd} hostile runs: p99 ${p99?.toFixed(0)} ms of ${sorted.length} answers\n`,
    );
    if (isSoak) expect(p99, `of ${sorted.length} answers`).toBeLessThanOrEqual(answersWithinMs);
  });
});
