/**
 * Package clients as they are, in a sandbox that has no route, through the relay and the proxy: to a registry of every
 * kind on loopback, and to the registries that this machine's own clients use, as far as they can be reached.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PackageConfiguration, packageConfiguration } from "../src/egress/egress.ts";
import {
  type BuildRoom,
  type Built,
  configurationOf,
  openBuildRoom,
} from "./support/build-room.ts";
import { type LocalRegistry, openLocalRegistry } from "./support/local-registry.ts";

const has = (program: string) => {
  const PATH = "/usr/local/bin:/usr/bin:/bin";
  return execFileSync("sh", ["-c", `command -v ${program} || true`], { env: { PATH } }).length > 0;
};

let room: BuildRoom;
let registry: LocalRegistry;
let local: PackageConfiguration;
const directory = mkdtempSync(join(tmpdir(), "airlock-registry-"));

beforeAll(async () => {
  room = await openBuildRoom();
  registry = await openLocalRegistry(directory);
  const home = join(directory, "home");
  const files = {
    ".config/pip/pip.conf": `[global]\nindex-url = https://ada:s3cret@${registry.host}/simple/\n`,
    ".npmrc": `registry=${registry.url}/npm/\n//${registry.host}/npm/:_authToken=s3cret\n`,
    ".cargo/config.toml": `[source.crates-io]\nreplace-with = "local"\n[source.local]\nregistry = "${registry.url}/git/index/.git"\n`,
    ".config/go/env": `GOPROXY=${registry.url}/go\nGOSUMDB=off\n`,
    ".gitconfig": `[url "${registry.url}/git/"]\n\tinsteadOf = https://code.test/\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  // The company's authority is outside of the home, as it is on a machine that has one.
  local = configurationOf(directory, {
    HOME: home,
    NODE_EXTRA_CA_CERTS: registry.authority,
    XDG_CONFIG_HOME: join(home, ".config"),
    CARGO_HOME: join(home, ".cargo"),
    GIT_CONFIG_GLOBAL: join(home, ".gitconfig"),
    npm_config_userconfig: join(home, ".npmrc"),
  });
});
afterAll(async () => {
  registry?.close();
  await room?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** With the hosts that the configuration names and no other; the names of the test are on loopback, hence private. */
const buildLocally = (command: string, options: { hosts?: string[]; also?: string[] } = {}) => {
  const hosts = options.hosts ?? [...local.hosts, ...(options.also ?? [])];
  return room.build(command, {
    ...{ configuration: local, hosts, privateHosts: [registry.host, registry.plainHost] },
    resolver: async () => ["127.0.0.1"],
  });
};

function expectOnlyRegistry(built: Built): void {
  expect(built.stderr + built.stdout).not.toContain("s3cret");
  expect(built.denied).toEqual([]);
  expect(built.allowed.length).toBeGreaterThan(0);
  for (const { host, address } of built.allowed) {
    expect([host, address]).toEqual(["registry.test", "127.0.0.1"]);
  }
}

describe("against a local registry that the machine's configuration names", () => {
  it("pip installs", async () => {
    const built = await buildLocally(
      "python3 -m pip install --no-cache-dir --target deps airlock-fixture && " +
        "PYTHONPATH=deps python3 -c 'import airlock_fixture; print(airlock_fixture.word)'",
    );
    expect(built.stdout, built.stderr).toMatch(/from the local index\n$/);
    expectOnlyRegistry(built);
  }, 60_000);

  it("npm installs", async () => {
    const built = await buildLocally(
      `mkdir -p web && cd web && npm install airlock-fixture && node -p 'require("airlock-fixture")'`,
    );
    expect(built.stdout, built.stderr).toMatch(/from the local index\n$/);
    expectOnlyRegistry(built);
  }, 60_000);

  it("git clones over https, by the address that the machine rewrites", async () => {
    const built = await buildLocally(
      "git clone -q https://code.test/index/.git cloned && cat cloned/ai/rl/airlock-fixture && " +
        "git config --global user.name Ada && git config user.name",
    );
    expect(built.stdout, built.stderr).toMatch(/"vers":"1.0.0"[^\n]*\nAda\n$/);
    expectOnlyRegistry(built);
  }, 60_000);

  it("curl and Node's own fetch get files, over TLS and plain", async () => {
    const built = await buildLocally(
      `curl -sSf ${registry.url}/go/example.test/airlock-fixture/@v/list && ` +
        `curl -sSf http://${registry.plainHost}/go/example.test/airlock-fixture/@v/list && ` +
        `/airlock/bin/node -e 'fetch("${registry.url}/go/example.test/airlock-fixture/@v/list").then((a) => a.text()).then(console.log)'`,
      { also: [registry.plainHost] },
    );
    expect(built.stdout.trim().split(/\s+/), built.stderr).toEqual(["v1.0.0", "v1.0.0", "v1.0.0"]);
    expectOnlyRegistry(built);
  }, 60_000);

  it.runIf(has("cargo"))(
    "cargo builds",
    async () => {
      const built = await buildLocally(
        "cargo init -q --vcs none --name rust rust && cd rust && printf 'airlock-fixture = \"1\"\\n' >>Cargo.toml && " +
          "printf 'fn main() { println!(\"{}\", airlock_fixture::word()) }' >src/main.rs && cargo run -q",
      );
      expect(built.stdout, built.stderr).toBe("from the local index\n");
      expectOnlyRegistry(built);
    },
    120_000,
  );

  it.runIf(has("go"))(
    "go builds",
    async () => {
      const built = await buildLocally(
        "mkdir -p go && cd go && go mod init test >/dev/null 2>&1 && go get example.test/airlock-fixture@v1.0.0 && " +
          "printf 'package main\\nimport fixture \"example.test/airlock-fixture\"\\nfunc main() { println(fixture.Word()) }' >main.go && go run .",
      );
      expect(built.stderr).toMatch(/from the local index\n$/);
      expectOnlyRegistry(built);
    },
    120_000,
  );
});

describe("what is refused", () => {
  it("is a host that is not listed: 403 in words, one record, no question to DNS", async () => {
    const built = await buildLocally(
      "curl -sS https://evil.test/a; curl -sS https://evil.test/b; curl -sS http://evil.test:81/",
    );
    expect(built.stderr).toContain("403");
    expect(built.stdout).toContain('evil.test:81 (not_listed): ask for "evil.test:81"');
    expect(built.asked).toEqual([]);
    expect(built.denied).toEqual([
      { host: "evil.test", port: 443, reason: "not_listed" },
      { host: "evil.test", port: 81, reason: "not_listed" },
    ]);
  }, 60_000);

  const words = /403.*registry\.test:\d+ \(not_listed\): ask for "registry\.test:\d+" in the hosts/;
  it.each([
    ["pip", "python3 -m pip install --retries 1 --target no airlock-fixture", words],
    ["npm", "mkdir -p n && cd n && npm install --fetch-retries=0 airlock-fixture", words],
    ["curl -v", "curl -v https://$HOST/", words],
    // These keep the proxy's words to themselves: the record of the call has them.
    ["git", "git clone https://$HOST/x", /registry\.test.*CONNECT tunnel failed, response 403/],
    ["Node's fetch", "/airlock/bin/node -e 'fetch(`https://$HOST`)'", /Proxy response \(403\)/],
  ])(
    "is named in what %s says",
    async (_name, command, wanted) => {
      const built = await buildLocally(command.replace("$HOST", registry.host), { hosts: [] });
      expect(built.stdout + built.stderr).toMatch(wanted);
      expect(built.denied[0]).toMatchObject({ host: "registry.test", reason: "not_listed" });
      expect(built.allowed).toEqual([]);
    },
    60_000,
  );

  it("is everything without the option: nothing listens, there is no route and no name", async () => {
    const said = await room.run(
      "curl -sS -x http://127.0.0.1:3128 http://registry.test/; curl -sS http://127.0.0.1:1/;" +
        "curl -sS http://registry.test/; tail -n +2 /proc/net/route; tail -n +2 /proc/net/tcp; env | grep -i proxy",
    );
    expect(said.stdout).toBe("");
    expect(said.stderr.match(/curl: \((6|7)\)/g)).toHaveLength(3);
  });
});

/**
 * Runs a command against the registries that its client wants by itself. The first attempt allows any public host; those
 * that this machine's resolver puts at special addresses are then listed by name, as its operator would.
 */
async function buildForReal(command: string) {
  const configuration = packageConfiguration({ env: process.env });
  const privateHosts = (process.env.AIRLOCK_PRIVATE_HOSTS ?? "").split(",").filter((each) => each);
  for (;;) {
    const hosts = ["*", ...privateHosts.filter((each) => !each.includes("/"))];
    const built = await room.build(command, { configuration, hosts, privateHosts });
    const more = built.denied.filter((each) => each.reason === "private_address");
    const names = more.map((each) => each.host).filter((each) => !privateHosts.includes(each));
    if (built.code === 0 || names.length === 0 || privateHosts.length > 20) return built;
    privateHosts.push(...new Set(names));
  }
}

describe("against the registries of this machine", () => {
  it.each([
    [
      "pip",
      "python3 -m pip install --retries 1 --no-cache-dir --target real/py six && ls real/py",
      "six.py",
    ],
    [
      "npm",
      "mkdir -p real/js && cd real/js && npm install is-number && ls node_modules",
      "is-number",
    ],
    [
      "go",
      "rm -rf real/go && mkdir -p real/go && cd real/go && go mod init t && go get rsc.io/quote@v1.5.2 && cat go.sum",
      "rsc.io/quote",
    ],
    [
      "cargo",
      "rm -rf real/rs && cargo init -q --vcs none --name real real/rs && cd real/rs && echo 'itoa = \"1\"' >>Cargo.toml && cargo fetch && cat Cargo.lock",
      'name = "itoa"',
    ],
  ])(
    "%s installs, or it is said which host cannot be reached",
    async (client, command, wanted) => {
      if (!has(client === "pip" ? "python3" : client)) {
        process.stdout.write(`${client} is not on this machine\n`);
        return;
      }
      const built = await buildForReal(command);
      if (built.code === 0) {
        expect(built.stdout).toContain(wanted);
        expect(built.allowed.length).toBeGreaterThan(0);
        const hosts = [...new Set(built.allowed.map((each) => each.host))];
        process.stdout.write(`${client} installed from ${hosts.join(", ")}\n`);
        return;
      }
      // Only what is outside of this machine excuses a client: none of these is a decision of ours.
      const missed = built.denied.filter(({ reason }) =>
        /not_found|unreachable|timed_out/.test(reason),
      );
      process.stdout.write(
        `${client} could not reach ${missed.map((each) => each.host).join(", ")}\n`,
      );
      expect(missed.length, built.stderr).toBeGreaterThan(0);
    },
    180_000,
  );
});
