import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isRoot, openRoom, type Room, runUid, testLimits } from "./room.testing.ts";
import type { Place } from "./sandbox.ts";

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room.close());

const token = `airlock_run_${randomBytes(12).toString("hex")}`;
const files = (secret: string) => [
  { name: "run-token", data: Buffer.from(`${secret}\n`) },
  { name: "index.json", data: Buffer.from('{"protocolVersion":"1"}\n') },
  { name: ".credentials", data: Buffer.from("[default]\napi_key = none\n") },
];

const provision = (runId: string, secret: string, uid = runUid) =>
  room.sandbox.provision({ runId, uid, outputDirs: [], files: [], own: files(secret) });

async function run(place: Place, command: string) {
  const signal = new AbortController().signal;
  const { end, stdout, stderr } = await room.sandbox.exec(place, {
    // Room for an attempt that copies all of /airlock before it fails.
    ...{ command, limits: { ...testLimits, diskBytes: 1024 ** 3 }, signal },
  });
  return { end, stdout: stdout.kept.toString(), stderr: stderr.kept.toString() };
}

const show = "cat /airlock/run-token /antpath/index.json /airlock/.credentials";
const shown = `${token}\n{"protocolVersion":"1"}\n[default]\napi_key = none\n`;

test("every kind of place shows the files of its run, and they go with the run", async () => {
  const place = await provision("run_files", token);
  expect((await run(place, show)).stdout).toBe(shown);
  const closed = await room.sandbox.openClosed(place);
  expect((await run(closed.place, show)).stdout).toBe(shown);
  await room.sandbox.removeOnce(closed.place);
  const fresh = await room.sandbox.openFreshCache(place);
  expect((await run(fresh, show)).stdout).toBe(shown);
  await room.sandbox.removeOnce(fresh);
  await room.sandbox.remove("run_files", runUid);
  expect(lstatSync(place.own, { throwIfNoEntry: false })).toBeUndefined();
});

test("only the run's own uid may read them on the host", async () => {
  const place = await provision("run_modes", token);
  const uid = isRoot ? runUid : process.getuid?.();
  const look = (path: string) => {
    const { mode, uid: owner } = lstatSync(path);
    return [(mode & 0o777).toString(8), owner];
  };
  expect(look(place.own)).toEqual(["700", uid]);
  for (const { name } of files(token)) expect(look(join(place.own, name))).toEqual(["400", uid]);
  await room.sandbox.remove("run_modes", runUid);
});

test("a second placing leaves the same files, and nothing beside them", async () => {
  const place = await provision("run_twice", token);
  const before = readdirSync(place.own).map((name) => readFileSync(join(place.own, name), "utf8"));
  expect(await provision("run_twice", token)).toEqual(place);
  expect(readdirSync(place.own).map((name) => readFileSync(join(place.own, name), "utf8"))).toEqual(
    before,
  );
  expect((await run(place, show)).stdout).toBe(shown);
  await room.sandbox.remove("run_twice", runUid);
});

test("no command of the run can write, replace, move or cover them", async () => {
  const place = await provision("run_hostile", token);
  const attempts = [
    "echo forged >/airlock/run-token",
    "chmod 600 /airlock-run/run-token",
    "echo forged >/airlock-run/run-token",
    "rm -f /airlock-run/index.json",
    "mv /airlock-run/run-token /airlock-run/index.json",
    "mv /airlock-run /tmp/away",
    "mv /airlock /tmp/away",
    "ln -sfn /tmp/forged /airlock/run-token",
    "ln -sfn /tmp/forged /airlock",
    "ln -sfn /tmp /antpath",
    "mkdir /airlock-run/new",
    "mount --bind /tmp /airlock-run",
    "unshare -rm mount --bind /tmp /airlock-run",
    "umount -l /airlock-run",
  ];
  const script = attempts.map(
    (attempt) => `if (${attempt}) 2>/dev/null; then echo '${attempt}'; fi`,
  );
  const { stdout } = await run(place, `echo forged >/tmp/forged; ${script.join("; ")}; ${show}`);
  expect(stdout).toBe(shown);
  // A control: the same attempts on what is the run's own do succeed.
  expect((await run(place, "mv /tmp/forged /tmp/moved && cat /tmp/moved")).stdout).toBe("forged\n");
  // What the command before did in its own root is not there for the next one.
  expect((await run(place, show)).stdout).toBe(shown);
  await room.sandbox.remove("run_hostile", runUid);
});

test("a run finds nothing of another run's, not even through processes or mounts", async () => {
  const others = `airlock_run_${randomBytes(12).toString("hex")}`;
  const other = await provision("run_target", others, isRoot ? 600_002 : null);
  const place = await provision("run_looks", token);
  const look = `cat /airlock*/* /antpath/* /run/* /proc/*/root/airlock-run/* ${other.own}/* 2>/dev/null
    cat /proc/1/mountinfo /proc/self/environ; find / -path /proc -prune -o -path /usr -prune -o -name run-token -print; true`;
  const { stdout, end } = await run(place, look);
  expect(end).toEqual({ type: "exited", exitCode: 0 });
  // A control: it does find its own.
  expect(stdout).toContain(token);
  expect(stdout).not.toContain(others);
  expect((await run(other, "cat /airlock/run-token")).stdout).toBe(`${others}\n`);
  for (const runId of ["run_target", "run_looks"]) await room.sandbox.remove(runId, runUid);
});

test("a run without such files finds the names and nothing behind them", async () => {
  const place = await room.sandbox.provision({
    ...{ runId: "run_none", uid: runUid, outputDirs: [], files: [], own: [] },
  });
  const { stdout } = await run(place, "ls /airlock-run; cat /airlock/run-token || echo none");
  expect(stdout).toBe("none\n");
  await room.sandbox.remove("run_none", runUid);
});
