import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandFrame } from "./frame.ts";
import { openOne } from "./open-one.ts";
import { closeHost, type OpenedHost, openHost } from "./open-sandbox.ts";
import { provisionPlace } from "./places.ts";
import { newDataDir, openRoom, optionsFor, removeAll, runUid, testLimits } from "./room.testing.ts";
import { bareSurroundings, type Place } from "./sandbox.ts";

let dataDir: string;
let host: OpenedHost;
let place: Place;
beforeAll(async () => {
  dataDir = newDataDir();
  host = await openHost(optionsFor(dataDir));
  const request = { runId: "run_frame", uid: runUid, outputDirs: [], files: [], own: [] };
  place = await provisionPlace(host, request);
});
afterAll(async () => {
  await closeHost(host);
  removeAll(dataDir);
});

/** Writes these bytes where a command is expected, then nothing more, as a dying gateway does. */
async function runs(bytes: string): Promise<boolean> {
  const sandbox = await openOne(host, place, testLimits, bareSurroundings, () => undefined);
  for (const pipe of [sandbox.stdout, sandbox.stderr]) pipe.drain();
  sandbox.spawned.hear.end(bytes);
  const { launched } = await sandbox.spawned.ended;
  await sandbox.close();
  return launched || existsSync(join(place.tmp, "ran"));
}

test("a command that was cut short anywhere is not run, nor is any line of it", async () => {
  const frame = commandFrame("touch /tmp/ran\nend\ntrue");
  for (let length = 0; length < frame.length; length++) {
    expect([length, await runs(frame.slice(0, length))]).toEqual([length, false]);
  }
  expect(await runs(frame)).toBe(true);
}, 180_000);

test("what is no frame is not run", async () => {
  for (const bytes of ["\n", "touch /tmp/ran2\nend\n", "1\ntrue\nEND\n", "1\ntrue\n end\n"]) {
    expect(await runs(bytes)).toBe(existsSync(join(place.tmp, "ran")));
  }
});

test("a command arrives as it was sent, whatever characters it has", async () => {
  const room = await openRoom();
  const hard = fc.constantFrom(
    "\n",
    "\r",
    "\t",
    " ",
    "\\",
    "'",
    '"',
    "end\n",
    "\x01",
    "\x7f",
    "é",
    "🦀",
  );
  const text = fc.array(fc.oneof(hard, fc.string({ unit: "grapheme" })), { maxLength: 40 });
  try {
    await fc.assert(
      fc.asyncProperty(text, async (parts) => {
        const wanted = parts.join("").replaceAll("\0", "");
        const quoted = wanted.replaceAll("'", `'\\''`);
        const { end, stdout } = await room.run(`printf %s '${quoted}'\nexit 5`);
        expect(end).toEqual({ type: "exited", exitCode: 5 });
        expect(stdout).toBe(wanted);
      }),
      { numRuns: 40 },
    );
    const long = "echo a line of a long command; ".repeat(3000);
    const said = await room.run(`${long}\n${":\n".repeat(2000)}echo $#`);
    expect(said.stdout.split("\n").slice(-2)).toEqual(["0", ""]);
  } finally {
    await room.close();
  }
}, 180_000);
