/**
 * Processes of a run that kill, hide and stay, through the API. Judged by the host's process table
 * and by the files that they would go on writing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { attacker, type EscapeHost, openEscapeHost, pause } from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import { processesWith, within } from "./support/processes.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
let markers = 0;
/** A duration that no other process of this machine sleeps. */
const uniqueSleep = () => `6${process.pid}.${++markers}`;

/** Processes that have left their parent, their session and their terminal, and mind no signal. */
const stubborn = (marker: string) =>
  `nohup sleep ${marker} >/dev/null 2>&1 & ` +
  `(setsid sh -c 'trap "" TERM HUP INT QUIT; sleep ${marker}; sleep ${marker}' &) ; ` +
  `python3 -c 'import os,time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            open("/workspace/out/log", "a").write("x")
            time.sleep(0.01)
    os._exit(0)' ${marker} & `;

/**
 * Waits inside until this many processes sleep for the marker; with nothing that a small host may
 * lack.
 */
const alive = (marker: string, count: number) =>
  "until [ $(for pid in /proc/[0-9]*; do read -r comm 2>/dev/null <$pid/comm && " +
  `[ $comm = sleep ] && grep -qas ${marker} $pid/cmdline && echo x; done | wc -l) ` +
  `-ge ${count} ]; do sleep 0.02; done; echo alive; `;

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  let host: EscapeHost;
  beforeAll(async () => {
    host = await openEscapeHost(identity, {
      scripts: {
        stays: {
          turns: [
            {
              calls: [
                {
                  tool: "sandbox_exec",
                  arguments: { command: ". /workspace/.attack/stay.sh", network: "none" },
                },
              ],
            },
          ],
        },
      },
    });
  });
  afterAll(() => host.close());

  it("kills nothing but itself, whatever numbers it tries", async () => {
    const marker = uniqueSleep();
    let victim: ChildProcess | undefined;
    const all = python(`
import os, signal, subprocess
own = subprocess.Popen(["sleep", "100"])
mine = {os.getpid(), os.getppid(), 1}
killed = 0
for pid in range(2, 70000):
    for kind in (signal.SIGSTOP, signal.SIGKILL):
        if pid in mine: continue
        try:
            os.kill(pid, kind)
            killed += 1
        except OSError: pass
for pid in (${host.gateway.pid}, ${process.pid}):
    for number in (pid, -pid):
        try: os.kill(number, signal.SIGKILL)
        except OSError as error: print(error.errno)
    print(os.path.exists("/proc/%d" % pid))
print("control", own.wait(), killed >= 2)`);
    try {
      const said = await host.attack(
        [`${pause}; sleep 100 & kill -9 -1; wait $!; echo $?`, all, "echo after"],
        {
          async during({ directory }) {
            // Of the same host uid as the run: nothing but the namespace protects it.
            const { uid } = statSync(join(directory, "workspace"));
            const asRun = identity.uid === undefined && !identity.isRoot ? {} : { uid, gid: uid };
            victim = spawn("sleep", [marker], { stdio: "ignore", ...asRun });
            await once(victim, "spawn");
          },
        },
      );
      expect(said.stdout()).toBe("PAUSED\n137\n");
      expect(said.stdout(1)).toBe("3\n3\nFalse\n3\n3\nFalse\ncontrol -9 True\n");
      expect(said.stdout(2)).toBe("after\n");
      expect(victim?.exitCode ?? victim?.signalCode).toBeNull();
      expect(processesWith(marker)).toEqual([victim?.pid]);
      expect((await call(host.gateway, "GET", "/healthz")).status).toBe(200);
    } finally {
      victim?.kill("SIGKILL");
    }
  });

  it("leaves no process behind a call, and none writes after it", async () => {
    const marker = uniqueSleep();
    let left: number[] = [-1];
    let grew = true;
    const wrote = "until [ -s /workspace/out/log ]; do :; done";
    const leave = `${stubborn(marker)} ${alive(marker, 2)} ${wrote}`;
    const said = await host.attack([leave, pause], {
      outputDirs: ["/workspace/out"],
      async during({ directory }) {
        left = processesWith(marker);
        const size = () => statSync(join(directory, "workspace/out/log")).size;
        const before = size();
        grew = await within(300, () => size() !== before);
      },
    });
    expect(said.stdout()).toBe("alive\n");
    expect(left).toEqual([]);
    expect(grew).toBe(false);
    expect(processesWith(marker)).toEqual([]);
  });

  it("leaves no process and writes nothing once it has ended", async () => {
    const marker = uniqueSleep();
    const said = await host.attack([`${stubborn(marker)} ${alive(marker, 2)}`], {
      outputDirs: ["/workspace/out"],
    });
    expect(said.history.at(-1)?.type).toBe("run.finished");
    expect(processesWith(marker)).toEqual([]);
    const directory = join(host.gateway.dataDir, "runs", said.run.id);
    expect(await within(300, () => existsSync(directory))).toBe(false);
  });

  /** Submits a run that stays, and resolves once its processes are seen on the host. */
  async function startStubborn(on: EscapeHost, marker: string) {
    const content = `${stubborn(marker)} ${alive(marker, 2)} sleep ${marker}`;
    const run = await clientOf(on.gateway).submitRun({
      model: "scripted/stays",
      prompt: "Stay.",
      agent: attacker,
      files: [{ path: ".attack/stay.sh", content }],
      outputDirs: ["/workspace/out"],
    });
    for await (const event of run.stream({ live: true })) if (event.type === "call.output") break;
    expect(await within(5000, () => processesWith(marker).length >= 4)).toBe(true);
    return run;
  }

  it("has no process a second after it was cancelled", async () => {
    const marker = uniqueSleep();
    const run = await startStubborn(host, marker);
    await run.cancel();
    expect(await within(1000, () => processesWith(marker).length === 0)).toBe(true);
    expect((await run.wait()).status).toBe("cancelled");
  });

  it("has no process a second after its gateway was killed, and writes nothing more", async () => {
    const marker = uniqueSleep();
    const own = await openEscapeHost(identity, {
      scripts: {
        stays: {
          turns: [
            {
              calls: [
                {
                  tool: "sandbox_exec",
                  arguments: { command: ". /workspace/.attack/stay.sh", network: "none" },
                },
              ],
            },
          ],
        },
      },
    });
    const { dataDir } = own.gateway;
    try {
      const run = await startStubborn(own, marker);
      const log = join(dataDir, "runs", run.id, "workspace/out/log");
      const size = () => statSync(log, { throwIfNoEntry: false })?.size ?? 0;
      const early = size();
      // Control: it does write as long as it lives.
      expect(await within(2000, () => size() > early)).toBe(true);
      await own.gateway.kill9();
      expect(await within(1000, () => processesWith(marker).length === 0)).toBe(true);
      const last = size();
      expect(await within(300, () => size() !== last)).toBe(false);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
