import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../base/limits.ts";
import { openRoom, type Room, removeAll, testLimits } from "./room.testing.ts";
import { bareSurroundings, egressSocketName, type Place, type Surroundings } from "./sandbox.ts";

let room: Room;
let layer: string;

beforeAll(async () => {
  room = await openRoom();
  layer = join(room.dataDir, "tree");
  mkdirSync(join(layer, "bin"), { recursive: true, mode: 0o755 });
  writeFileSync(join(layer, "word"), "hello", { mode: 0o644 });
  writeFileSync(join(layer, "bin", "say"), "#!/bin/sh\necho said\n", { mode: 0o755 });
});
afterAll(async () => {
  await room.close();
});

async function run(command: string, more: Partial<Surroundings>, place: Place = room.place) {
  const surroundings = { ...bareSurroundings, ...more };
  const signal = new AbortController().signal;
  const request = { command, surroundings, limits: { ...testLimits, processes: 200 }, signal };
  const { end, stdout, stderr } = await room.sandbox.exec(place, request);
  return { end, stdout: stdout.kept.toString(), stderr: stderr.kept.toString() };
}

describe("a layer", () => {
  test("is at each of its places, cannot be changed, and its programs come first", async () => {
    const mounts = ["/tmp/deps/a", "/opt/a", "/deps/a", "/workspace/a"].map((target) => {
      return { source: layer, target };
    });
    const command =
      "cat /tmp/deps/a/word /opt/a/word /deps/a/word /workspace/a/word; say; command -v say;" +
      "for place in /tmp/deps/a /opt/a; do touch $place/x; chmod 777 $place/word; done; echo $?";
    const said = await run(command, { mounts, bins: ["/opt/a/bin"] });
    expect(said.stdout).toBe("hellohellohellohellosaid\n/opt/a/bin/say\n1\n");
    expect(said.stderr.match(/Read-only file system/g)).toHaveLength(4);
    expect(readdirSync(layer)).toEqual(["bin", "word"]);
  });

  test("has its place beside as many bundles as a run may be given", async () => {
    const bundles = Array.from({ length: limits.runBundles }, (_, at) => {
      return { source: layer, target: `/opt/given/${at}` };
    });
    const mounts = [{ source: layer, target: "/opt/a" }];
    const said = await run("cat /opt/a/word /opt/given/63/word", { mounts, bundles });
    expect(said.stdout).toBe("hellohello");
  });

  test("is there in the sandbox that was opened in advance, and not in the next without it", async () => {
    const mounts = [{ source: layer, target: "/tmp/warm" }];
    for (let i = 0; i < 3; i++) {
      room.sandbox.prepare(room.place, testLimits, { ...bareSurroundings, mounts });
      expect((await run("cat /tmp/warm/word", { mounts })).stdout).toBe("hello");
    }
    expect((await run("ls /tmp/warm", {})).stdout).toBe("");
  });

  test.each([
    ["a link", () => symlinkSync("/etc", join(room.place.tmp, "trap"))],
    ["a link to a directory of its own", () => symlinkSync("/tmp", join(room.place.tmp, "trap"))],
    ["a file", () => writeFileSync(join(room.place.tmp, "trap"), "")],
  ])("is not mounted where the run has laid %s (A25)", async (_, lay) => {
    lay();
    try {
      for (const target of ["/tmp/trap", "/tmp/trap/passwd"]) {
        const mounts = [{ source: layer, target }];
        await expect(run("true", { mounts })).rejects.toThrow(`Cannot mount at "${target}"`);
      }
    } finally {
      rmSync(join(room.place.tmp, "trap"));
    }
  });

  test.each(["/", "/usr", "/etc/x", "/tmp", "/tmp/../etc", "/airlock/x"])(
    "is never mounted at %s (C13)",
    async (target) => {
      const mounts = [{ source: layer, target }];
      await expect(run("true", { mounts })).rejects.toThrow(`Cannot mount at "${target}"`);
    },
  );
});

describe("the environment of a call", () => {
  test("reaches the command as it is, quotes and line breaks included", async () => {
    const environment = { GREETING: "a 'b' \"c\"\n$d", EMPTY: "" };
    const said = await run('printf %s "$GREETING" "${EMPTY-unset}"', { environment });
    expect(said.stdout).toBe(environment.GREETING);
  });

  test.each(["PATH", "LD_PRELOAD", "BASH_ENV", "ENV", "IFS", "PS4", "BASH_FUNC_x%%", "a=b", ""])(
    "cannot set %j",
    async (name) => {
      const wrong = run("true", { environment: { [name]: "x" } });
      await expect(wrong).rejects.toThrow(JSON.stringify(name));
    },
  );
});

describe("fresh directories for one command", () => {
  test("hold nothing of the run, take read-only files, and are gone afterwards", async () => {
    await run("echo own > /tmp/own; echo own > /workspace/own", {});
    const bytes = Buffer.from("hello");
    const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const file = { path: "word", executable: false, sha256, read: async () => [bytes] };
    const { place: closed, mounts } = await room.sandbox.openClosed(room.place, [file]);
    const command = "ls -A /tmp /workspace; cat /tmp/word; echo x >/tmp/word; echo y >/tmp/new";
    const said = await run(command, { mounts }, closed);
    expect(said.stdout).toBe("/tmp:\nword\n\n/workspace:\nhello");
    expect(said.stderr).toContain("Read-only file system");
    await room.sandbox.removeOnce(closed);
    const left = readdirSync(dirname(room.place.tmp)).filter((name) => name.startsWith("once-"));
    expect(left).toEqual([]);
    expect((await run("cat /tmp/own; ls /tmp/new", {})).stdout).toBe("own\n");
  });

  test("are removed by the next, when a gateway died with them", async () => {
    const { place: first } = await room.sandbox.openClosed(room.place);
    const { place: second } = await room.sandbox.openClosed(room.place);
    const left = readdirSync(dirname(room.place.tmp)).filter((name) => name.startsWith("once-"));
    expect(left).toEqual([second.tmp.split("/").at(-2)]);
    expect(first.tmp).not.toBe(second.tmp);
    await room.sandbox.removeOnce(second);
  });
});

describe("the relay", () => {
  let server: Server;
  let network: Surroundings["network"];
  const empty = mkdtempSync(join(tmpdir(), "airlock-config-"));

  beforeAll(async () => {
    const directory = room.sandbox.networkDirectory(room.place);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    server = createServer((socket) => socket.pipe(socket));
    server.listen({ path: join(directory, egressSocketName), writableAll: true });
    await once(server, "listening");
    const configuration = room.sandbox.stageConfiguration([
      { path: "pip.conf", data: Buffer.from("[global]\n") },
    ]);
    network = {
      directory,
      configuration,
      directories: [],
      links: [],
      environment: { HTTP_PROXY: "x" },
    };
  });
  afterAll(() => {
    server.close();
    removeAll(empty);
  });

  const talk =
    "exec 3<>/dev/tcp/127.0.0.1/3128 && echo ping >&3 && head -n 1 <&3; cat /airlock-config/pip.conf";

  test("is ready before the command, warm and cold", async () => {
    for (let i = 0; i < 3; i++) {
      const said = await run(`${talk}; echo $HTTP_PROXY`, { network });
      expect(said).toMatchObject({ stdout: "ping\n[global]\nx\n", stderr: "" });
    }
  });

  test("is the only thing that listens, and holds nothing that the command or the gateway reads", async () => {
    const said = await run(
      "tail -n +2 /proc/net/tcp | wc -l; tail -n +3 /proc/net/dev | cut -d: -f1;" +
        "for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in *relay.mjs*)" +
        " readlink $p/fd/0 $p/fd/1 $p/fd/2 ;; esac; done",
      { network },
    );
    const [listening, ...rest] = said.stdout.split("\n").map((line) => line.trim());
    expect(listening).toBe("1");
    expect(rest.slice(0, 4)).toEqual(["lo", "/dev/null", "/dev/null", "/dev/null"]);
  });

  test("is not there without a network, and neither is a route", async () => {
    const said = await run(`${talk}; ls /run /airlock-config`, {});
    expect(said.stdout).not.toContain("ping");
    expect(said.stderr).toContain("refused");
    expect(said.stderr).toContain("No such file");
  });

  test("that cannot be started is an error, not a command without a way out", async () => {
    const gone = { ...bareSurroundings, network: { ...network, directory: "/nowhere" } };
    await expect(run("echo ran", gone as Partial<Surroundings>)).rejects.toThrow("sandbox");
  });
});
