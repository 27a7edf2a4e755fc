import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refuseOverlap } from "./identity.ts";
import {
  isRoot,
  newDataDir,
  openRoom,
  optionsFor,
  removeAll,
  runUid,
  testLimits,
} from "./room.testing.ts";
import { openSandbox, runDoctor, type SandboxOptions } from "./sandbox.ts";

let dir: string;
beforeEach(() => {
  dir = newDataDir();
  chmodSync(dir, 0o755);
});
afterEach(() => removeAll(dir));

const refusal = async (options: Partial<SandboxOptions>) =>
  openSandbox({ ...optionsFor(join(dir, "data")), ...options }).then(
    () => "opened",
    (error) => (error.code === "sandbox_unavailable" ? error.message : error),
  );

function fakeBwrap(body: string): string {
  const path = join(dir, "bwrap");
  writeFileSync(
    path,
    `#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit\n${body}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

describe("a sandbox is refused", () => {
  test("without bwrap, with an old one, and with one that cannot be started", async () => {
    expect(await refusal({ bwrap: join(dir, "absent") })).toMatch(/Cannot find bwrap.*apt-get/);
    const old = join(dir, "old");
    writeFileSync(old, "#!/bin/sh\necho bubblewrap 0.6.1\n", { mode: 0o755 });
    expect(await refusal({ bwrap: old })).toMatch(/Cannot use bubblewrap 0.6.1.*0.8.0 or later/);
    writeFileSync(join(dir, "text"), "no program", { mode: 0o644 });
    expect(await refusal({ bwrap: join(dir, "text") })).toMatch(/Cannot start/);
  });

  test("with a setuid bwrap", async () => {
    const path = fakeBwrap("exit 0");
    chmodSync(path, 0o4755);
    expect(await refusal({ bwrap: path })).toMatch(/setuid.*chmod u-s/);
  });

  test("with a bwrap that only says it worked", async () => {
    expect(await refusal({ bwrap: fakeBwrap("exit 0") })).toMatch(/Cannot start a sandbox/);
  });

  test("with a bwrap that runs the command with no sandbox around it", async () => {
    // Does all that bwrap does but isolating: speaks the status protocol and runs the very command.
    const body = [
      `echo '{ "child-pid": '$$' }' >&5; echo ready >&7; read -r lines <&6`,
      `command=$(head -n "$lines" <&6); echo started >&7; exec 6<&- 7>&-`,
      `cd ${dir}; PATH=/usr/bin:/bin sh -c "$command"; echo '{ "exit-code": 0 }' >&5`,
    ];
    const message = await refusal({ bwrap: fakeBwrap(body.join("\n")) });
    expect(message).toMatch(/Cannot trust the sandbox.*net namespace is the host's/);
  });

  test("with bwrap's own words and the remedy for them", async () => {
    const said = "bwrap: setting up uid map: Permission denied";
    const message = await refusal({ bwrap: fakeBwrap(`echo '${said}' >&2; exit 1`) });
    expect(message).toContain(said);
    expect(message).toContain("bwrap-userns-restrict");
  });

  test("for a toolchain that is not there, or lies where the sandbox itself is", async () => {
    expect(await refusal({ toolchains: ["/opt/absent-toolchain"] })).toMatch(
      /"\/opt\/absent-toolchain": expected a directory/,
    );
    expect(await refusal({ toolchains: ["/usr/lib"] })).toMatch(/fills itself/);
    expect(await refusal({ toolchains: ["relative"] })).toMatch(/absolute path/);
  });
});

describe("a bwrap that is replaced while the gateway runs", () => {
  const place = (path: string, body: string | undefined) => {
    const next = join(dir, "next");
    if (body === undefined) copyFileSync("/usr/bin/bwrap", next);
    else
      writeFileSync(
        next,
        `#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit\n${body}`,
      );
    chmodSync(next, 0o755);
    renameSync(next, path);
  };

  test("changes nothing for the command that runs, and is proved before the next one", async () => {
    const own = join(dir, "own-bwrap");
    place(own, undefined);
    const room = await openRoom({ bwrap: own });
    try {
      execFileSync("mkfifo", ["-m", "666", join(room.place.tmp, "go")]);
      const started = Promise.withResolvers<void>();
      const running = room.sandbox.exec(room.place, {
        ...{ command: "echo up; read -r line < /tmp/go; echo $line", limits: testLimits },
        signal: new AbortController().signal,
        onOutput: () => started.resolve(),
      });
      await started.promise;
      place(own, undefined);
      writeFileSync(join(room.place.tmp, "go"), "unharmed\n");
      expect((await running).stdout.kept.toString()).toBe("up\nunharmed\n");
      expect((await room.run("echo new")).stdout).toBe("new\n");

      place(own, "exit 0");
      const refused = room.run("echo never");
      await expect(refused).rejects.toMatchObject({ code: "sandbox_unavailable" });
      rmSync(own);
      await expect(room.run("echo never")).rejects.toMatchObject({ code: "sandbox_unavailable" });
      place(own, undefined);
      expect((await room.run("echo back")).stdout).toBe("back\n");
    } finally {
      await room.close();
    }
  });

  test("runs no command when it does not isolate any more", async () => {
    const own = join(dir, "own-bwrap");
    place(own, undefined);
    const room = await openRoom({ bwrap: own });
    try {
      // Speaks the protocol and runs what it is told to, with no sandbox around it.
      const body = [
        `echo '{ "child-pid": '$$' }' >&5; echo ready >&7; read -r lines <&6`,
        `command=$(head -n "$lines" <&6); echo started >&7; exec 6<&- 7>&-`,
        `cd ${dir}; PATH=/usr/bin:/bin sh -c "$command"; echo '{ "exit-code": 0 }' >&5`,
      ];
      place(own, body.join("\n"));
      const canary = join(dir, "escaped");
      const refused = room.run(`touch ${canary}`);
      await expect(refused).rejects.toThrow(/Cannot trust the sandbox/);
      expect(existsSync(canary)).toBe(false);
    } finally {
      await room.close();
    }
  });
});

if (isRoot) {
  describe("a root gateway", () => {
    test("refuses a data directory that runs cannot reach, and names what is in the way", async () => {
      const locked = join(dir, "locked");
      mkdirSync(locked, { mode: 0o700 });
      const message = await refusal({ dataDir: join(locked, "data") });
      expect(message).toContain(`${JSON.stringify(locked)} may not be passed`);
      expect(message).toContain("AIRLOCK_DATA_DIR");
    });

    test("mounts a toolchain at its own path, or says why runs cannot reach it", async () => {
      const above = mkdtempSync("/opt/airlock-test-");
      const toolchain = join(above, "tool");
      try {
        mkdirSync(join(toolchain, "bin"), { recursive: true });
        const program = join(toolchain, "bin", "git");
        writeFileSync(program, '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
        chmodSync(program, 0o755);
        expect(await refusal({ toolchains: [toolchain] })).toContain(
          `may not pass ${JSON.stringify(above)}`,
        );
        chmodSync(above, 0o755);
        const room = await openRoom({ toolchains: [toolchain] });
        const said = await room.run(`git; touch ${toolchain}/x || ls ${above}`);
        await room.close();
        expect(said.stdout).toBe(`${program}\ntool\n`);
      } finally {
        removeAll(above);
      }
    });

    test("refuses a uid range in which a user of the host lies", async () => {
      const message = await refusal({ uidRange: { first: 60_000, last: 70_000 } });
      expect(message).toMatch(/uid range 60000-70000: \/etc\/passwd gives.*"nobody"/);
    });

    test("never runs a command as root, or as a uid outside of its range", async () => {
      const room = await openRoom();
      try {
        for (const uid of [null, 0, 599_999, 600_100]) {
          const request = { runId: "run_uid", uid, outputDirs: [], files: [], own: [] };
          await expect(room.sandbox.provision(request)).rejects.toThrow("in the uid range");
          const exec = { command: "true", limits: testLimits, signal: AbortSignal.timeout(9999) };
          const place = { ...room.place, uid };
          await expect(room.sandbox.exec(place, exec)).rejects.toThrow("in the uid range");
        }
      } finally {
        await room.close();
      }
    });

    test("gives each run a host uid of its own, and no way into another's directories", async () => {
      const room = await openRoom();
      try {
        await room.run("echo secret >~/mine; chmod 777 ~ ~/mine");
        expect(statSync(join(room.place.workspace, "mine")).uid).toBe(runUid);
        expect(statSync(join(room.dataDir, "runs", "run_test")).mode & 0o777).toBe(0o700);
        expect(statSync(room.dataDir).mode & 0o777).toBe(0o710);
        expect(room.sandbox.isolation.ownUid).toBe(true);
      } finally {
        await room.close();
      }
    });
  });
}

test("an overlap is found at both ends of a range, and in ranges of subordinate ids", () => {
  const check = (text: string) =>
    refuseOverlap({ first: 700, last: 800 }, "/etc/subuid", text, (fields) => ({
      first: Number(fields[1]),
      last: Number(fields[1]) + Number(fields[2]) - 1,
    }));
  check("a:100:600\nb:801:50\n# comment\n\n");
  for (const line of ["a:100:601", "a:800:1", "a:750:5", "a:1:10000"]) {
    expect(() => check(`x:1:2\n${line}`)).toThrow('"a"');
  }
});

test("a setup that fails is never a command's exit code", async () => {
  const room = await openRoom();
  try {
    symlinkSync("/nonexistent", join(dir, "gone"));
    const place = { ...room.place, tmp: join(dir, "gone") };
    const signal = new AbortController().signal;
    const exec = room.sandbox.exec(place, { command: "true", limits: testLimits, signal });
    await expect(exec).rejects.toMatchObject({ code: "sandbox_unavailable" });
    expect((await room.run("echo still fine")).stdout).toBe("still fine\n");
  } finally {
    await room.close();
  }
});

test("closing ends what runs", async () => {
  const room = await openRoom();
  const said = room.run("sleep 100");
  await room.close();
  expect((await said).end).toEqual({ type: "killed", reason: "cancelled" });
});

test("opening twice finds the staged runtime, and repairs a damaged one", async () => {
  const room = await openRoom();
  try {
    const [digest = ""] = readdirSync(join(room.dataDir, "runtime"));
    const launcher = join(room.dataDir, "runtime", digest, "exec");
    const inode = statSync(launcher).ino;
    await (await openSandbox(optionsFor(room.dataDir))).close();
    expect(statSync(launcher).ino).toBe(inode);
    chmodSync(launcher, 0o755);
    writeFileSync(launcher, "#!/bin/sh\nexit 0\n");
    await (await openSandbox(optionsFor(room.dataDir))).close();
    expect(readdirSync(join(room.dataDir, "runtime"))).toContain(digest);
    expect((await room.run("echo repaired")).stdout).toBe("repaired\n");
  } finally {
    await room.close();
  }
});

describe("doctor", () => {
  test("grades the host and says the version of every program inside", async () => {
    const report = await runDoctor(optionsFor(join(dir, "data")));
    expect(report.grade).toMatch(/^[AB]$/);
    expect(report.probes.filter((probe) => probe.required && !probe.ok)).toEqual([]);
    const node = report.probes.find((probe) => probe.name === "node");
    expect(node).toMatchObject({ ok: true, found: expect.stringMatching(/^v\d+/) });
    expect(report.notExercised.length).toBeGreaterThan(0);
  });

  test("says what is missing and what to do, and gives no grade", async () => {
    const options = { ...optionsFor(join(dir, "data")), bwrap: join(dir, "absent") };
    const report = await runDoctor(options);
    expect(report.grade).toBeNull();
    expect(report.probes[0]).toMatchObject({
      ...{ name: "bubblewrap", ok: false, required: true, found: "Cannot find bwrap" },
      remedy: expect.stringContaining("apt-get install bubblewrap"),
    });
  });
});
