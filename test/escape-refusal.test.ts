/**
 * No sandbox, no run (I7): a gateway on a host whose bwrap is missing, old, broken, a fake, or does
 * only half of its work never starts to serve, says why and how to mend it, and runs nothing.
 *
 * The fakes are put over the real program in a mount namespace of that one gateway.
 */
import { chmodSync, copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openSandbox } from "../src/sandbox/sandbox.ts";
import { call } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { openEscapeHost } from "./support/escape-host.ts";
import { type GatewayIdentity, identities, testsAreRoot } from "./support/escape-identities.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";
import { removeTree, tempDir } from "./support/temp-dir.ts";

/** Speaks all of bwrap's protocol with the gateway and runs the command on the host itself. */
const unsandboxed = (canary: string) => `
cat <&3 >/dev/null; cat <&4 >/dev/null
echo '{ "child-pid": '$$' }' >&5; echo ready >&7; read -r lines <&6
command=$(head -n "$lines" <&6); echo started >&7; exec 6<&- 7>&-
cd /tmp; PATH=/usr/bin:/bin sh -c "$command"; touch ${canary}; echo '{ "exit-code": 0 }' >&5`;

/** A shell adds to the environment, which would be noticed. */
const cleanly = "exec env -i PATH=/usr/bin:/bin";

async function newFake(body: string, version = "0.8.0") {
  const dir = await tempDir("fake");
  chmodSync(dir, 0o777);
  const path = join(dir, "bwrap");
  writeFileSync(
    path,
    `#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap ${version} && exit\n${body}\n`,
  );
  chmodSync(path, 0o755);
  return { dir, path };
}

const dropTo = (uid: number | undefined) =>
  uid === undefined ? "" : `setpriv --reuid=${uid} --regid=${uid} --clear-groups `;
/** In a user namespace one could mount by powers that bwrap would not like to find. */
const dropPowers = "setpriv --ambient-caps=-all --inh-caps=-all ";

/** Starts a gateway that sees `fake` wherever the host has bwrap. Resolves with what it said. */
async function startOver(identity: GatewayIdentity, fake: string): Promise<string> {
  const { node, root } = checkoutFor(identity.uid);
  const real = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"].filter((path) =>
    existsSync(path),
  );
  const mounts = real.map((path) => `mount --bind ${fake} ${path} && `).join("");
  const drop = testsAreRoot ? dropTo(identity.uid) : dropPowers;
  const script = `${mounts}exec ${drop}${node} ${join(root, "src/main.ts")} "$@"`;
  const namespace = testsAreRoot
    ? ["unshare", "--mount"]
    : ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"];
  const dataDir = newDataDir(identity.uid);
  try {
    const gateway = await startGateway({
      dataDir,
      program: [...namespace, "sh", "-c", script, "airlock"],
    });
    await gateway.stop();
    return "It served";
  } catch (error) {
    return String(error);
  } finally {
    await removeTree(dataDir);
  }
}

describe.each(identities)("with $name, a gateway does not serve", (identity) => {
  it("without bwrap", async () => {
    const said = await startOver(identity, "/dev/null");
    expect(said).toMatch(/Cannot find bwrap.*apt-get install bubblewrap/);
  });

  it("with a bwrap that is too old", async () => {
    const { path } = await newFake("exit 0", "0.6.1");
    expect(await startOver(identity, path)).toMatch(/bubblewrap 0\.6\.1.*0\.8\.0 or later/);
  });

  it("with a bwrap that fails, and passes its words on with a remedy", async () => {
    const words = "bwrap: setting up uid map: Permission denied";
    const { path } = await newFake(`echo '${words}' >&2; exit 1`);
    const said = await startOver(identity, path);
    expect(said).toContain(words);
    expect(said).toContain("bwrap-userns-restrict");
  });

  it("with a bwrap that runs commands with no sandbox around them", async () => {
    const dir = await tempDir("canary");
    chmodSync(dir, 0o777);
    const canary = join(dir, "ran");
    const { path } = await newFake(unsandboxed(canary));
    const said = await startOver(identity, path);
    expect(said).toMatch(/Cannot trust the sandbox of this host: .*namespace is the host's/);
    // Control: the fake did run what it was given, and that is what was found out.
    expect(existsSync(canary)).toBe(true);
  });

  it("for any of these reasons when the same start with the real bwrap serves", async () => {
    // The control of this file: the way of starting is not what is refused.
    const { path } = await newFake(`${cleanly} ${join(await copyOfBwrap(), "bwrap")} "$@"`);
    expect(await startOver(identity, path)).toBe("It served");
  });
});

/** The real program, where no fake lies over it. */
async function copyOfBwrap(): Promise<string> {
  const dir = await tempDir("bwrap");
  copyFileSync("/usr/bin/bwrap", join(dir, "bwrap"));
  chmodSync(join(dir, "bwrap"), 0o755);
  chmodSync(dir, 0o755);
  return dir;
}

describe.each(identities)("with $name, a gateway", (identity) => {
  it("takes bwrap, node and git from no directory of the operator's PATH", async () => {
    const { dir } = await newFake("exit 1");
    for (const name of ["bwrap", "node", "git", "sh", "python3"]) {
      writeFileSync(join(dir, name), `#!/bin/sh\n: >${join(dir, "taken")}\nexit 1\n`);
      chmodSync(join(dir, name), 0o755);
    }
    const host = await openEscapeHost(identity, {
      env: { PATH: `${dir}:/usr/local/bin:/usr/bin:/bin` },
    });
    try {
      const said = await host.attack(["echo inside; cat /proc/1/comm; type -p bwrap; echo $PATH"]);
      expect(said.stdout()).toMatch(/^inside\nbwrap\n/);
      expect(said.stdout()).not.toContain(dir);
      expect(existsSync(join(dir, "taken"))).toBe(false);
      expect((await call(host.gateway, "GET", "/healthz")).status).toBe(200);
    } finally {
      await host.close();
    }
  });
});

describe("a sandbox is refused", () => {
  /** Opens a sandbox whose bwrap is the real one behind a wrapper; the message, or "opened". */
  async function open(wrapper: string): Promise<string> {
    const { path } = await newFake(wrapper);
    const dataDir = newDataDir();
    try {
      const sandbox = await openSandbox({
        ...{ dataDir, bwrap: path, toolchains: [], uidRange: { first: 610_000, last: 610_099 } },
        ...{ clock: systemClock, log: openLog("silent") },
      });
      await sandbox.close();
      return "opened";
    } catch (error) {
      return String(error);
    } finally {
      await removeTree(dataDir);
    }
  }

  const real = `${cleanly} /usr/bin/bwrap "$@"`;
  const filterFrom = (bytes: string) => `d=$(mktemp); ${bytes} >$d; exec 3<$d; rm $d; ${real}`;

  it("when the system call filter arrives cut short, empty or damaged", async () => {
    for (const bytes of [
      "head -c 12 <&3",
      "cat <&3 | head -c 0",
      "head -c 80 <&3",
      "tr '\\000-\\377' '\\377' <&3",
    ]) {
      expect([bytes, await open(filterFrom(bytes))]).toEqual([
        bytes,
        expect.stringMatching(/Cannot (start|trust)(?!.*environ)/),
      ]);
    }
    // Control: passed through the same wrapper whole, it is accepted.
    expect(await open(filterFrom("cat <&3"))).toBe("opened");
  });

  it.each([
    ["--unshare-net", 0, "net namespace is the host's"],
    ["--unshare-pid", 0, "pid namespace is the host's"],
    ["--unshare-ipc", 0, "ipc namespace is the host's"],
    ["--unshare-uts", 0, "requires --unshare-uts"],
    ["--unshare-cgroup", 0, "cgroup namespace is the host's"],
    ["--seccomp", 1, "status_Seccomp is"],
    ["--uid", 1, "status_Uid is"],
  ])("when %s does not take effect", async (name, values, reason) => {
    const filter = [
      "import os, sys",
      "args = b''",
      "while piece := os.read(4, 65536): args += piece",
      "args = args.split(b'\\0')",
      `at = args.index(b'${name}')`,
      `del args[at:at + ${values + 1}]`,
      "sys.stdout.buffer.write(b'\\0'.join(args))",
    ].join("\n");
    const wrapper = `d=$(mktemp); python3 -c "${filter}" >$d; exec 4<$d; rm $d; ${real}`;
    expect(await open(wrapper)).toContain(reason);
  });
});
