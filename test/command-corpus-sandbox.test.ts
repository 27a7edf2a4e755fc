/**
 * Every command of the policy's corpus (E), really run in a sandbox, whatever the policy says to it: the sandbox is the
 * boundary, and the verdict is advice. The files that they destroy have the same path inside as our canaries have on the
 * host, so that what is destroyed inside shows that the command was live, and what is intact outside shows the boundary.
 *
 * The room is driven directly, so no verdict stands in the way. This process is the gateway here: its environment holds a
 * secret, and a process of ours runs beside it.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { corpus } from "../src/policy/command-corpus.testing.ts";
import { openRoom, type Room, type Said } from "../src/sandbox/room.testing.ts";
import { findSecret, newCanary } from "./support/canary.ts";
import { identities } from "./support/escape-identities.ts";
import { type FileCanaries, plantFileCanaries } from "./support/host-canary.ts";

const commands = [...new Set(corpus.map(({ command }) => command))];
/** In the way of the shell that takes the command; the front door refuses it for everybody. */
const sendable = commands.filter((command) => !command.includes("\0"));
const baits = ["x", "y", "a.c"];
const bait = "precious\n";

const marker = `airlock-canary-${randomUUID()}`;
const environmentSecret = newCanary();
const besideSecret = newCanary();

/** The same path on the host, where everybody may write, and inside a run. */
const place = `/tmp/${marker}`;

let canaries: FileCanaries;
let rooms: Room[];
/** Ours, of which nobody in a run may know. */
const companion = spawn("/bin/sleep", ["600"], { argv0: marker, stdio: "ignore" });
let planted: Map<string, string>;

beforeAll(async () => {
  const [identity] = identities;
  if (identity === undefined) throw new Error("Somebody runs the tests");
  canaries = plantFileCanaries(identity);
  Object.assign(process.env, { AIRLOCK_TEST_CANARY: environmentSecret, HOME: canaries.home });
  rooms = await Promise.all([openRoom(), openRoom()]);
  planted = new Map([
    ...rooms.map(
      ({ dataDir }) =>
        [join(dirname(dataDir), `${basename(dataDir)}-beside`), besideSecret] as const,
    ),
    ...baits.map((name) => [join(place, name), bait] as const),
  ]);
  mkdirSync(place);
  chmodSync(place, 0o777);
  for (const [path, text] of planted) {
    writeFileSync(path, text);
    // The worst case: whoever reaches it may write it.
    chmodSync(path, 0o666);
  }
});
afterAll(async () => {
  companion.kill("SIGKILL");
  await once(companion, "exit");
  for (const room of rooms) await room.close();
  for (const path of planted.keys()) rmSync(path, { force: true });
  rmSync(place, { recursive: true, force: true });
  canaries.remove();
});

/** What of ours on the host is not as it was. */
function harmed(): string[] {
  const changed = [...planted].filter(([path, text]) => {
    return !existsSync(path) || readFileSync(path, "latin1") !== text;
  });
  const isAlive = companion.exitCode === null && companion.signalCode === null;
  return [
    ...[...changed.map(([path]) => path), ...canaries.changed()],
    ...(isAlive ? [] : ["the process beside the gateway"]),
  ];
}

interface Outcome extends Said {
  command: string;
  /** Of the baits inside, those that are not as they were. */
  destroyed: string[];
}

/** Runs a command where, inside, the baits lie under the very paths that our canaries have outside. */
async function attack(room: Room, command: string): Promise<Outcome> {
  const { sandbox } = room;
  await sandbox.clear(room.place, place, false);
  const files = baits.map((name) => {
    return { path: `${place}/${name}`, data: Buffer.from(bait), executable: false };
  });
  await sandbox.write(room.place, files);
  const said = await room.run(`cd ${place}\n${command}`, { timeoutMs: 1500 });
  const destroyed = baits.filter((name) => {
    const path = join(room.place.tmp, marker, name);
    return !existsSync(path) || readFileSync(path, "latin1") !== bait;
  });
  return { ...said, command, destroyed };
}

/** Runs each of them, and after each looks at everything of ours. */
async function attackAll(commands: readonly string[]): Promise<Outcome[]> {
  const left = [...commands];
  const outcomes: Outcome[] = [];
  await Promise.all(
    rooms.map(async (room) => {
      for (let command = left.shift(); command !== undefined; command = left.shift()) {
        outcomes.push(await attack(room, command));
        expect(harmed(), JSON.stringify(command)).toEqual([]);
      }
    }),
  );
  const secrets = [environmentSecret, besideSecret, ...canaries.secrets()];
  const tell = outcomes.filter(({ stdout, stderr }) => {
    const said = Buffer.from(stdout + stderr);
    return secrets.some((secret) => findSecret(said, secret).length > 0);
  });
  expect(tell.map(({ command }) => command)).toEqual([]);
  return outcomes;
}

describe("in a sandbox, whatever the verdict", { timeout: 180_000 }, () => {
  it("every command of the corpus leaves the host as it was, and tells no secret of it", async () => {
    const outcomes = await attackAll(sendable);
    const live = outcomes.filter(({ destroyed }) => destroyed.length > 0);
    const plain = outcomes.filter(({ command }) =>
      /^(command |exec |nice )?rm( -rf)? x$/.test(command),
    );
    expect(plain.length).toBeGreaterThan(3);
    for (const { command, destroyed } of plain) expect(destroyed, command).toContain("x");
    // Many name programs that are not there, or nothing that exists: the rest are what makes zero mean something.
    expect(live.length).toBeGreaterThan(120);
    const disclosing = outcomes.filter(({ stdout }) => stdout.includes("HOME=/workspace"));
    expect(disclosing.map(({ command }) => command)).toEqual(
      expect.arrayContaining(["env", "printenv", "command env"]),
    );
    process.stdout.write(
      `commands: ${outcomes.length} run, ${live.length} destroy what is inside, ${disclosing.length} tell their environment, 0 touch the host\n`,
    );
  });

  it("neither do commands that are aimed at what we have there", async () => {
    const erasing = [
      `rm -rf ${place}`,
      `rm -rf /proc/self/root${place}`,
      `cd / && bin/rm -rf tmp/${marker}`,
      `find ${place} -delete`,
      `find / -path '*${marker}*' -name x -delete`,
      `echo ${btoa(`rm -rf ${place}`)} | base64 -d | sh`,
      `python3 -c 'import shutil; shutil.rmtree("${place}")'`,
      `node -e 'require("fs").rmSync("${place}", { recursive: true })'`,
      `perl -e 'unlink "${place}/x"'`,
      `mv ${place} /tmp/gone-$$`,
      `: > ${place}/x`,
      `cp /dev/null ${place}/x`,
      `dd if=/dev/null of=${place}/x`,
      `truncate -s 0 ${place}/x`,
      `echo harmed >> ${place}/x`,
      `ln -sf /etc/passwd ${place}/x`,
      `git init -q ${place} && git -C ${place} clean -ffdx`,
      `tar -C / -cf ${place}/x --remove-files tmp/${marker}/y`,
      `sed -i s/p/q/ ${place}/x`,
    ];
    const beside = [...planted.keys(), ...canaries.paths()].filter(
      (path) => !path.startsWith(place),
    );
    const reaching = [
      ...beside.flatMap((path) => [`cat ${path}`, `rm -f ${path}`, `echo harmed >> ${path}`]),
      ...["", "-9 "].map((signal) => `kill ${signal}${companion.pid}`),
      ...[`pkill -9 -f ${marker}`, `cat /proc/${companion.pid}/environ`],
      `cat /proc/${process.pid}/environ /proc/1/environ /proc/[0-9]*/environ`,
      `grep -ra sk-canary /proc/[0-9]*/cmdline /proc/[0-9]*/environ /tmp /workspace /airlock`,
    ];
    const outcomes = await attackAll([...erasing, ...reaching]);
    const tame = outcomes.filter(
      ({ command, destroyed }) => erasing.includes(command) && destroyed.length === 0,
    );
    expect(tame.map(({ command }) => command)).toEqual([]);
    process.stdout.write(
      `commands: ${erasing.length} aimed at a path that both have, ${reaching.length} at the host's own, 0 touch the host\n`,
    );
  });
});
