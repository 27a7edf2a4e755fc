import { setTimeout as sleep } from "node:timers/promises";
import { bareSpawn } from "../floor.ts";
import type { Bench, Group } from "../group.ts";
import { interleave, quantile, ratio, type Samples, shownQuantiles, timed } from "../measure.ts";
import { type CommandPeer, openCommandPeers } from "../peers.ts";
import { type Bwraps, execLimits, openBwraps } from "../raw-bwrap.ts";
import { atMost, type Row, type Target, unmeasured } from "../row.ts";

/** A model thinks for longer. */
const spareOpensMs = 60;
const signal = new AbortController().signal;

/** One command in a sandbox, against a bare process and against everybody else's way to contain it. */
export const sandboxRows: Group = {
  name: "sandbox",
  async run(bench: Bench): Promise<Row[]> {
    const bwraps = await openBwraps(bench.newDirectory("sandbox"));
    const peers = await openCommandPeers(bench);
    try {
      const samples = await measure(bench, bwraps, peers.opened);
      const rows = ownRows(samples);
      for (const { name, what } of peers.opened) rows.push(peerRow(samples, name, what));
      for (const { name, what, why } of peers.refused) {
        rows.push(unmeasured({ ...peerOf(name, what), unit: "x", target: null }, why));
      }
      return rows;
    } finally {
      await bwraps.close();
      for (const peer of peers.opened) await peer.close();
    }
  },
};

async function measure(bench: Bench, bwraps: Bwraps, peers: CommandPeer[]): Promise<Samples> {
  const place = await bwraps.newPlace();
  const { sandbox } = bwraps;
  const exec = async () => {
    const request = { command: "true", limits: execLimits, signal };
    const { end } = await sandbox.exec(place, request);
    if (end.type !== "exited" || end.exitCode !== 0) throw new Error(JSON.stringify(end));
  };
  const variants = [
    { name: "spawn", once: bareSpawn },
    {
      name: "warm",
      async once() {
        sandbox.prepare(place, execLimits);
        await sleep(spareOpensMs);
        const took = await timed(exec);
        await sandbox.discard(place.runId);
        return took;
      },
    },
    {
      name: "cold",
      async once() {
        const took = await timed(exec);
        // The next one would be opened while somebody else is measured.
        await sandbox.discard(place.runId);
        return took;
      },
    },
    { name: "bwrap-same", once: () => timed(() => bwraps.sameArguments(place)) },
    { name: "bwrap-plain", once: () => timed(bwraps.plain) },
    ...peers.map(({ name, once }) => ({ name, once: () => timed(once) })),
  ];
  return interleave(variants, bench.quick ? 5 : 100);
}

function ownRows(samples: Samples): Row[] {
  const row = (name: string, what: string, floor: string, target: Target | null): Row => ({
    ...{ name: `sandbox.${name}`, what, unit: "x", target },
    ...ratio(samples, name, floor),
    detail: shownQuantiles(samples.get(name) ?? []),
  });
  const same = "the same arguments, filter, launcher and uid";
  return [
    {
      ...{ name: "sandbox.floor", what: "Floor of this group: a bare spawn of `true`", unit: "ms" },
      ...{ target: null, value: quantile(samples.get("spawn") ?? [], 0.5) },
      detail: shownQuantiles(samples.get("spawn") ?? []),
    },
    row(
      "warm",
      "`true` in a sandbox opened in advance, against a bare spawn",
      "spawn",
      atMost(0.7),
    ),
    row("cold", `\`true\` in a new sandbox, against bwrap with ${same}`, "bwrap-same", atMost(1.2)),
    peerRow(samples, "bwrap-same", `bwrap with ${same}, driven by hand`),
    peerRow(samples, "bwrap-plain", "`bwrap --unshare-all`, no filter, no limits"),
  ];
}

function peerRow(samples: Samples, name: string, what: string): Row {
  const detail = shownQuantiles(samples.get(name) ?? []);
  return {
    ...peerOf(name, what),
    unit: "x",
    target: null,
    detail,
    ...ratio(samples, name, "spawn"),
  };
}

function peerOf(name: string, what: string): { name: string; what: string } {
  return { name: `sandbox.peer.${name}`, what: `${what}, against a bare spawn` };
}
