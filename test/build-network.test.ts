/**
 * Package clients as they are, in a sandbox that has no route, through the relay and the proxy, to a registry of every
 * kind on loopback. `build-network-real.test.ts` has them at the registries of this machine.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PackageConfiguration } from "../src/egress/egress.ts";
import {
  type BuildRoom,
  type BuildRun,
  type Built,
  configurationOf,
  openBuildRoom,
} from "./support/build-room.ts";
import {
  type LocalRegistry,
  openLocalRegistry,
  registryAddress,
} from "./support/local-registry.ts";
import { findNewCargo } from "./support/new-cargo.ts";

let room: BuildRoom;
let registry: LocalRegistry;
let local: PackageConfiguration;
const directory = mkdtempSync(join(tmpdir(), "airlock-registry-"));

/** A machine with these files in its home, and these variables. */
function machine(files: Record<string, string>, env: Record<string, string> = {}) {
  const home = mkdtempSync(join(directory, "home-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  // The company's authority is outside of the home, as it is on a machine that has one.
  return configurationOf(directory, {
    HOME: home,
    NODE_EXTRA_CA_CERTS: registry.authority,
    XDG_CONFIG_HOME: join(home, ".config"),
    CARGO_HOME: join(home, ".cargo"),
    GIT_CONFIG_GLOBAL: join(home, ".gitconfig"),
    npm_config_userconfig: join(home, ".npmrc"),
    ...env,
  });
}

beforeAll(async () => {
  chmodSync(directory, 0o755);
  room = await openBuildRoom();
  registry = await openLocalRegistry(directory);
  local = machine({
    ".config/pip/pip.conf": `[global]\nindex-url = https://ada:s3cret@${registry.host}/simple/\n`,
    ".npmrc": `registry=${registry.url}/npm/\n//${registry.host}/npm/:_authToken=s3cret\n`,
    ".cargo/config.toml": `[source.crates-io]\nreplace-with = "local"\n[source.local]\nregistry = "${registry.url}/git/index/.git"\n`,
    ".config/go/env": `GOPROXY=${registry.url}/go\nGOSUMDB=${registry.sumdb}\n`,
    ".gitconfig": `[url "${registry.url}/git/"]\n\tinsteadOf = https://code.test/\n`,
  });
});
afterAll(async () => {
  registry?.close();
  await room?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** With the hosts that the configuration names and no other; the names of the test are on loopback, hence private. */
function buildLocally(command: string, options: Partial<BuildRun> = {}) {
  const configuration = options.configuration ?? local;
  return room.build(command, {
    ...{ configuration, hosts: configuration.hosts },
    privateHosts: [registry.host, registry.plainHost, registry.loopbackHost],
    resolver: async (name) => [name === "localhost" ? "127.0.0.1" : registryAddress],
    ...options,
  });
}

function expectOnlyRegistry(built: Built): void {
  expect(built.stderr + built.stdout).not.toContain("s3cret");
  expect(built.denied).toEqual([]);
  expect(built.allowed.length).toBeGreaterThan(0);
  for (const { host, address, cut } of built.allowed) {
    expect([host, address, cut]).toEqual(["registry.test", registryAddress, null]);
  }
}

const pipInstall =
  "rm -rf deps && python3 -m pip install --no-cache-dir --target deps airlock-fixture && " +
  "PYTHONPATH=deps python3 -c 'import airlock_fixture; print(airlock_fixture.word)'";
const npmInstall =
  "rm -rf web && mkdir web && cd web && npm install airlock-fixture && " +
  `node -p 'require("airlock-fixture")'`;
const goBuild =
  "rm -rf go && mkdir go && cd go && go mod init test >/dev/null 2>&1 && " +
  "go get example.test/airlock-fixture@v1.0.0 && " +
  'printf \'package main\\nimport fixture "example.test/airlock-fixture"\\n' +
  "func main() { print(fixture.Word()) }' >main.go && go run . 2>&1";

describe("against a local registry that the machine's configuration names", () => {
  it("pip installs", async () => {
    const built = await buildLocally(pipInstall);
    expect(built.stdout, built.stderr).toMatch(/from the local index\n$/);
    expectOnlyRegistry(built);
  });

  it("npm installs", async () => {
    const built = await buildLocally(npmInstall);
    expect(built.stdout, built.stderr).toMatch(/from the local index\n$/);
    expectOnlyRegistry(built);
  });

  it("git clones over https, by the address that the machine rewrites", async () => {
    const built = await buildLocally(
      "git clone -q https://code.test/index/.git cloned && cat cloned/ai/rl/airlock-fixture && " +
        "git config --global user.name Ada && git config user.name",
    );
    expect(built.stdout, built.stderr).toMatch(/"vers":"1.0.0"[^\n]*\nAda\n$/);
    expectOnlyRegistry(built);
  });

  it("curl and Node's own fetch get files, over TLS and plain", async () => {
    const file = "/go/example.test/airlock-fixture/@v/list";
    const built = await buildLocally(
      `curl -sSf ${registry.url}${file} && curl -sSf http://${registry.plainHost}${file} && ` +
        `/airlock/bin/node -e 'fetch("${registry.url}${file}").then((a) => a.text()).then(console.log)'`,
      { hosts: [registry.host, registry.plainHost] },
    );
    expect(built.stdout.trim().split(/\s+/), built.stderr).toEqual(["v1.0.0", "v1.0.0", "v1.0.0"]);
    expectOnlyRegistry(built);
  });

  it("cargo builds, with an index that is a git repository", async () => {
    const built = await buildLocally(
      "rm -rf rust && cargo init -q --vcs none --name rust rust && cd rust && " +
        "printf 'airlock-fixture = \"1\"\\n' >>Cargo.toml && " +
        "printf 'fn main() { println!(\"{}\", airlock_fixture::word()) }' >src/main.rs && cargo run -q",
    );
    expect(built.stdout, built.stderr).toBe("from the local index\n");
    expectOnlyRegistry(built);
  });

  it("cargo fetches, with an index of single files, or it is said that none here can", async () => {
    const cargo = findNewCargo(directory);
    if (cargo === undefined) {
      process.stdout.write(
        "No cargo here knows an index of single files: 1.68 or later is needed\n",
      );
      return;
    }
    const configuration = machine({
      ".cargo/config.toml": `[source.crates-io]\nreplace-with = "local"\n[source.local]\nregistry = "sparse+${registry.url}/sparse/"\n`,
    });
    const command =
      "rm -rf new && cargo init -q --vcs none --name rust new && cd new && " +
      "printf 'airlock-fixture = \"1\"\\n' >>Cargo.toml && cargo vendor -q --respect-source-config >/dev/null && cat vendor/airlock-fixture/src/lib.rs";
    const built = await buildLocally(command, { configuration, programs: cargo });
    expect(built.stdout, built.stderr).toContain("from the local index");
    expectOnlyRegistry(built);
    expect(registry.asked).toContain(`${registry.host} /sparse/ai/rl/airlock-fixture`);
  });

  it("go builds, and asks the checksum database", async () => {
    const before = registry.asked.length;
    const built = await buildLocally(goBuild);
    expect(built.stdout, built.stderr).toMatch(/from the local index$/);
    const lookup = `${registry.host} /sumdb/lookup/example.test/airlock-fixture@v1.0.0`;
    expect(registry.asked.slice(before)).toContain(lookup);
    expectOnlyRegistry(built);
  });
});

describe("against a mirror that variables of the machine name", () => {
  it.each([
    ["pip", pipInstall, () => ({ PIP_INDEX_URL: `https://ada:s3cret@${registry.host}/simple/` })],
    ["npm", npmInstall, () => ({ npm_config_registry: `${registry.url}/npm/` })],
    ["go", goBuild, () => ({ GOPROXY: `${registry.url}/go,off`, GOSUMDB: registry.sumdb })],
  ])("%s installs", async (_name, command, env) => {
    const configuration = machine({}, env());
    const built = await buildLocally(`rm -rf /tmp/go_modules; ${command}`, { configuration });
    expect(built.stdout, built.stderr).toMatch(/from the local index\n?$/);
    expectOnlyRegistry(built);
  });
});

it("pip installs from a directory of wheels of this machine, and reaches no host", async () => {
  const wheels = mkdtempSync("/var/tmp/airlock-wheels-");
  try {
    chmodSync(wheels, 0o755);
    writeFileSync(join(wheels, registry.wheel.name), registry.wheel.data);
    const configuration = machine({}, { PIP_FIND_LINKS: wheels, PIP_NO_INDEX: "1" });
    const built = await buildLocally(pipInstall, { configuration });
    expect(built.stdout, built.stderr).toMatch(/from the local index\n$/);
    expect([built.allowed, built.denied, configuration.hosts]).toEqual([[], [], []]);
  } finally {
    rmSync(wheels, { recursive: true });
  }
});

describe("against an index on the machine's own loopback, which clients ask no proxy for", () => {
  const curl = () =>
    `curl -sS http://${registry.loopbackHost}/simple/airlock-fixture/ -o /dev/null`;
  const mirrors = () => ({
    PIP_INDEX_URL: `http://${registry.loopbackHost}/simple/`,
    ...{ GOPROXY: `http://${registry.loopbackHost}/go`, GOSUMDB: "off" },
    npm_config_registry: "http://localhost:3128/",
  });

  it.each([
    ["pip", pipInstall],
    ["go", goBuild],
  ])("%s installs, through the same proxy", async (_name, command) => {
    const configuration = machine({}, mirrors());
    const install = `rm -rf /tmp/go_modules; ${curl()} && ${command}`;
    const built = await buildLocally(install, { configuration });
    expect(built.stdout, built.stderr).toMatch(/from the local index\n?$/);
    expect(built.denied).toEqual([]);
    // The relay's own port is taken, and is no reason for it to give up.
    expect(configuration.files.map(({ data }) => data.toString())).toContain(
      `${registry.loopbackHost}\nlocalhost:3128\n`,
    );
    expect(built.allowed.length).toBeGreaterThan(1);
    const [host, address] = ["localhost", "127.0.0.1"];
    for (const each of built.allowed) expect(each).toMatchObject({ host, address, cut: null });
  });

  it.each([
    ["the agent was not granted", { hosts: [] }, "to the hosts of NetworkAccess"],
    ["the operator did not list", { privateHosts: [] }, "in AIRLOCK_PRIVATE_HOSTS"],
  ])("nothing comes of one that %s, and the answer says so", async (_name, options, remedy) => {
    const configuration = machine({}, mirrors());
    const command = `curl -sS http://${registry.loopbackHost}/simple/; ${pipInstall}`;
    const built = await buildLocally(command, { configuration, ...options });
    expect(built.stdout).toContain(`"${registry.loopbackHost}" ${remedy}`);
    expect(built.stdout).not.toContain("from the local index");
    expect(built.denied.length).toBeGreaterThan(1);
    expect(built.allowed).toEqual([]);
  });

  it("nothing else of the loopback is there", async () => {
    const { loopbackHost, plainHost } = registry;
    const other = `127.0.0.1:${plainHost.split(":")[1]}`;
    const configuration = machine({}, mirrors());
    const built = await buildLocally(
      `curl -sS http://${other}/ http://${loopbackHost.replace("localhost", "127.0.0.2")}/`,
      { configuration },
    );
    expect(built.stderr).toContain("curl: (7)");
    expect(built.allowed).toEqual([]);
  });
});

it("no client trusts a registry whose authority this machine does not have", async () => {
  const configuration = machine(
    { ".npmrc": `registry=${registry.url}/npm/\n` },
    { NODE_EXTRA_CA_CERTS: "", PIP_INDEX_URL: `${registry.url}/simple/` },
  );
  const tries = [
    `curl -sS ${registry.url}/`,
    `git ls-remote ${registry.url}/git/index/.git`,
    "python3 -m pip install --retries 0 --no-cache-dir --target no airlock-fixture",
    "(mkdir -p n && cd n && npm install --cache /tmp/new --fetch-retries=0 airlock-fixture)",
    `/airlock/bin/node -e 'fetch("${registry.url}")'`,
  ];
  const command = tries.map((each, at) => `${each} && echo trusted ${at}; `).join("");
  const built = await buildLocally(command, { configuration });
  expect(built.stdout).not.toContain("trusted");
  const said = built.stderr.match(/certificate|CERT/gi) ?? [];
  expect(said.length, built.stderr).toBeGreaterThanOrEqual(tries.length);
});

describe("what is refused", () => {
  it("is a host that is not listed: 403 in words, a record for each, no question to DNS", async () => {
    const built = await buildLocally(
      "curl -sS https://evil.test/a; curl -sS https://evil.test/b; curl -sS http://evil.test:81/",
    );
    expect(built.stderr).toContain("403");
    expect(built.stdout).toContain('evil.test:81 (not_listed): add "evil.test:81" to the hosts');
    expect(built.asked).toEqual([]);
    const record = { host: "evil.test", port: 443, reason: "not_listed" };
    expect(built.denied).toEqual([record, record, { ...record, port: 81 }]);
  });

  const words = /registry\.test:\d+ \(not_listed\): add \\?"registry\.test:\d+\\?" to the hosts/;
  it.each([
    ["pip", "python3 -m pip install --retries 1 --target no airlock-fixture", words],
    ["npm", "mkdir -p n && cd n && npm install --fetch-retries=0 airlock-fixture", words],
    ["curl -v", "curl -v https://$HOST/", words],
    ["go", "cd /tmp && GOFLAGS=-mod=mod go list -m example.test/other@v1.0.0", words],
    // These keep the proxy's words to themselves: the record of the call has them.
    ["git", "git clone https://$HOST/x", /registry\.test.*CONNECT tunnel failed, response 403/],
    ["cargo", "cargo search --index https://$HOST/x y", /registry\.test.*|403/],
    ["Node's fetch", "/airlock/bin/node -e 'fetch(`https://$HOST`)'", /Proxy response \(403\)/],
  ])("is named in what %s says", async (_name, command, wanted) => {
    const built = await buildLocally(command.replace("$HOST", registry.host), { hosts: [] });
    expect(built.stdout + built.stderr).toMatch(wanted);
    expect(built.denied[0]).toMatchObject({ host: "registry.test", reason: "not_listed" });
    expect(built.allowed).toEqual([]);
  });

  it("is a listed index at a private address that the operator did not list", async () => {
    const command = "python3 -m pip install --retries 1 --target no airlock-fixture";
    const built = await buildLocally(command, { privateHosts: [] });
    const remedy = `the operator can list "${registry.host}" in AIRLOCK_PRIVATE_HOSTS`;
    expect(built.stdout + built.stderr).toContain(remedy);
    expect(new Set(built.denied.map(({ reason }) => reason))).toEqual(new Set(["private_address"]));
    expect(built.allowed).toEqual([]);
  });

  it("is the sixty-fifth connection at once, with a record", async () => {
    const script = [
      "import socket",
      "held = []",
      "for i in range(70):",
      "    s = socket.create_connection(('127.0.0.1', 3128))",
      `    s.sendall(b'CONNECT ${registry.host} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')`,
      "    held.append((s, s.recv(12)[9:12].decode()))",
      "print(*[answer for _, answer in held])",
    ].join("\n");
    const built = await buildLocally(`cat >many.py <<'END'\n${script}\nEND\npython3 many.py`);
    const wanted = [...Array(64).fill("200"), ...Array(6).fill("503")].join(" ");
    expect(built.stdout, built.stderr).toBe(`${wanted}\n`);
    expect(built.denied.map(({ reason }) => reason)).toEqual(Array(6).fill("connections_limit"));
    expect(built.allowed).toHaveLength(64);
  });

  it("is everything without the option: nothing listens, there is no route and no name", async () => {
    const said = await room.run(
      "curl -sS -x http://127.0.0.1:3128 http://registry.test/; curl -sS http://127.0.0.1:1/;" +
        "curl -sS http://registry.test/; tail -n +2 /proc/net/route; tail -n +2 /proc/net/tcp; env | grep -i proxy",
    );
    expect(said.stdout).toBe("");
    expect(said.stderr.match(/curl: \((6|7)\)/g)).toHaveLength(3);
  });
});

if (process.getuid?.() === 0) {
  it("an ordinary user's gateway passes the same tests", () => {
    const home = mkdtempSync(join(tmpdir(), "airlock-user-"));
    try {
      chmodSync(home, 0o777);
      const root = resolve(import.meta.dirname, "..");
      const config = join(home, "vitest.config.mjs");
      writeFileSync(config, "export default {};");
      const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
      const options = ["--config", config, "--configLoader", "native", "--root", root];
      const files = ["test/build-network.test.ts", "test/build-network-names.test.ts"];
      const done = spawnSync(
        process.execPath,
        [
          vitest,
          "run",
          ...options,
          "--testTimeout",
          "180000",
          "--expect.poll.timeout",
          "30000",
          ...files,
        ],
        {
          ...{ uid: 65_534, gid: 65_534, cwd: home, encoding: "utf8", timeout: 420_000 },
          env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, NO_COLOR: "1" },
        },
      );
      expect(done.stdout + done.stderr).toMatch(/Tests {2}\d+ passed/);
      expect(done.status).toBe(0);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }, 450_000);
}
