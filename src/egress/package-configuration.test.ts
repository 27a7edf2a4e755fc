import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { packageConfiguration } from "./package-configuration.ts";
import { readToml } from "./toml.ts";

/** A machine whose only files are these. */
function machine(
  files: Record<string, string>,
  env: Record<string, string> = {},
  directories: string[] = [],
) {
  const configuration = packageConfiguration({
    env,
    home: "/home/ada",
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? undefined : Buffer.from(text);
    },
    isDirectory: (path) => directories.includes(path),
  });
  const text = (path: string) =>
    configuration.files.find((file) => file.path === path)?.data.toString() ?? "";
  const all = JSON.stringify([
    configuration,
    configuration.files.map((file) => file.data.toString()),
  ]);
  return { ...configuration, text, all };
}

describe("the package configuration of this machine", () => {
  it("is pip's, each setting from the file that wins, without its login", () => {
    const { text, environment, hosts, notes, all } = machine(
      {
        "/etc/pip.conf": "[global]\nindex-url = https://old.test/simple\ntimeout = 7\n",
        "/home/ada/.config/pip/pip.conf": `# mine
[global]
index_url: https://ada:s3cret@index.test:8443/simple
extra-index-url =
    https://tok3n@more.test/simple
    https://plain.test/simple
client-cert = /home/ada/key.pem
[install]
trusted-host = index.test`,
      },
      { PIP_RETRIES: "9", PIP_CONFIG_FILE: "" },
    );
    expect(text("pip.conf")).toBe(`[global]
index-url = https://index.test:8443/simple
timeout = 7
extra-index-url = https://more.test/simple
    https://plain.test/simple

[install]
trusted-host = index.test
`);
    expect(environment).toMatchObject({
      PIP_CONFIG_FILE: "/airlock-config/pip.conf",
      PIP_RETRIES: "9",
    });
    expect(hosts).toEqual(["old.test", "index.test:8443", "more.test", "plain.test"]);
    expect(notes).toHaveLength(3);
    expect(notes[0]).toMatch(/pip\.conf: global\.index-url has a login/);
    expect(all).not.toMatch(/s3cret|tok3n/);
  });

  it("mounts the directory of a local index at its own path, and none that is the machine's own", () => {
    const { mounts, notes } = machine(
      { "/etc/pip.conf": "[global]\nfind-links = /srv/wheels/ file:///srv/my%20index ~/.ssh /etc" },
      { GOPROXY: "file:///srv/go/cache/download,off", PIP_FIND_LINKS: "/gone" },
      ["/srv/wheels", "/srv/my index", "/home/ada/.ssh", "/etc", "/srv/go/cache/download", "/"],
    );
    expect(mounts.map((each) => each.source)).toEqual([
      "/srv/wheels",
      "/srv/my index",
      "/srv/go/cache/download",
    ]);
    expect(mounts.every((each) => each.source === each.target)).toBe(true);
    expect(notes.join("\n")).toMatch(/"\/home\/ada\/\.ssh".*\n.*"\/etc"[\s\S]*PIP_FIND_LINKS/);
  });

  it("is npm's, with scopes, and without what opens a registry", () => {
    const { text, environment, hosts, notes, all } = machine(
      {
        "/usr/etc/npmrc": "registry=https://old.test/\nfund=false\n",
        "/home/ada/.npmrc": `; mine
registry = "https://\${NAME}.test/npm/"
@team:registry=https://team.test/
//team.test/:_authToken=tok3n
//team.test/:_password=cGFzcw==
strict-ssl=false
cafile=~/ca.pem`,
      },
      { NAME: "npm", npm_config_fetch_retries: "5", NPM_CONFIG__AUTH: "tok3n" },
    );
    expect(text("npmrc")).toBe(
      "registry=https://npm.test/npm/\nfund=false\n@team:registry=https://team.test/\nstrict-ssl=false\n",
    );
    expect(environment).toEqual({
      npm_config_globalconfig: "/airlock-config/npmrc",
      npm_config_fetch_retries: "5",
    });
    expect(hosts).toEqual(["old.test", "npm.test", "team.test"]);
    expect(notes.join("\n")).toContain(
      "/home/ada/.npmrc: //team.test/:_authToken is a credential, which no sandbox is given",
    );
    expect(all).not.toMatch(/tok3n|cGFzcw/);
  });

  it("is cargo's, in the directory above all others, because it has no variable for a source", () => {
    const { text, links, environment, hosts, mounts, notes, all } = machine(
      {
        "/home/ada/.cargo/config.toml": `
[source.crates-io]
replace-with = 'mirror' # ours
[source.mirror]
registry = "sparse+https://ada:s3cret@crates.test/index/"
[source.vendored]
directory = "vendor"
[registries]
team = { index = "https://team.test/index", token = "tok3n" }
[http]
proxy = "http://ada:s3cret@proxy.test"
check-revoke = false
[[unknown]]
a = [1, { b = 2 }]
`,
        "/home/ada/.cargo/credentials.toml": "[registry]\ntoken = 'tok3n'",
      },
      { CARGO_REGISTRIES_TEAM_TOKEN: "tok3n", CARGO_NET_RETRY: "5" },
      ["/home/ada/vendor"],
    );
    expect(text("cargo/config.toml")).toBe(`"source"."crates-io"."replace-with" = "mirror"
"source"."mirror"."registry" = "sparse+https://crates.test/index/"
"source"."vendored"."directory" = "/home/ada/vendor"
"registries"."team"."index" = "https://team.test/index"
"http"."check-revoke" = false
`);
    expect(links).toEqual([
      { path: "/.cargo/config.toml", target: "/airlock-config/cargo/config.toml" },
    ]);
    expect(mounts).toEqual([{ source: "/home/ada/vendor", target: "/home/ada/vendor" }]);
    expect(environment).toEqual({ CARGO_NET_RETRY: "5" });
    expect(hosts).toEqual(["crates.test", "team.test"]);
    expect(notes).toHaveLength(4);
    expect(all).not.toMatch(/s3cret|tok3n/);
  });

  it("leaves out a file of cargo's that it cannot understand, and says which line", () => {
    const { notes, links } = machine({ "/home/ada/.cargo/config": "[net]\nretry = = 3\n" });
    expect(links).toEqual([]);
    expect(notes).toEqual(["/home/ada/.cargo/config is left out: Line 2 has no value"]);
  });

  it("is Go's, variables before the file of `go env -w`", () => {
    const { environment, hosts, notes, all } = machine(
      {
        "/home/ada/.config/go/env":
          "GOPROXY=https://old.test\nGOPRIVATE=*.corp.test\nGOAUTH=git /x\nGOFLAGS=-modcacherw -toolexec=/x\n",
      },
      { GOPROXY: "https://ada:s3cret@go.test|direct", GOSUMDB: "sum.test+abc https://sums.test/x" },
    );
    expect(environment).toEqual({
      GOPROXY: "https://go.test|direct",
      GOPRIVATE: "*.corp.test",
      GOSUMDB: "sum.test+abc https://sums.test/x",
      GOFLAGS: "-modcacherw",
    });
    expect(hosts.toSorted()).toEqual(["go.test", "sums.test"]);
    expect(notes).toHaveLength(3);
    expect(all).not.toContain("s3cret");
  });

  it("is git's rewritten addresses, as git reads them, without headers, helpers and logins", () => {
    const { text, environment, notes, all, mounts } = machine(
      {
        "/etc/gitconfig": "[include]\n\tpath = more.conf\n[credential]\n\thelper = store\n",
        "/etc/more.conf": `[http "https://team.test"] ; x
	sslVerify = false
	extraHeader = "Authorization: tok3n"`,
        "/home/ada/.gitconfig": `[url "https://oauth2:tok3n@mirror.test/\\"q\\"/"]
	insteadOf = "https://git.test/" # not this
	insteadOf = git@git.test:
[url "file:///srv/git/"]
	insteadOf = https://local.test/
`,
        "/home/ada/.netrc": "machine x password tok3n",
      },
      {
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "url.https://v.test/.insteadOf",
        GIT_CONFIG_VALUE_0: "v:",
      },
      ["/srv/git"],
    );
    const folder = mkdtempSync(join(tmpdir(), "airlock-git-"));
    try {
      writeFileSync(join(folder, "c"), text("gitconfig"));
      const list = execFileSync("git", ["config", "--file", join(folder, "c"), "--list"], {
        encoding: "utf8",
      });
      expect(list.trim().split("\n")).toEqual([
        "http.https://team.test.sslverify=false",
        'url.https://mirror.test/"q"/.insteadof=https://git.test/',
        'url.https://mirror.test/"q"/.insteadof=git@git.test:',
        "url.file:///srv/git/.insteadof=https://local.test/",
        "url.https://v.test/.insteadof=v:",
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(environment.GIT_CONFIG_SYSTEM).toBe("/airlock-config/gitconfig");
    expect(mounts).toEqual([{ source: "/srv/git", target: "/srv/git" }]);
    expect(notes).toHaveLength(4);
    expect(all).not.toMatch(/tok3n/);
  });

  it("has every authority of this machine once, and no private key", () => {
    const [one = "", two = "", three = ""] = rootCertificates;
    const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    const { text, caBundle } = machine(
      {
        "/etc/ssl/certs/ca-certificates.crt": `# a comment\n${one}\n${two}\n`,
        "/ca/more.pem": `${key}${two.replaceAll("\n", "\r\n")}\n${three}\n`,
        "/ca/broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      },
      { NODE_EXTRA_CA_CERTS: "/ca/more.pem", PIP_CERT: "/ca/broken.pem" },
    );
    expect(caBundle).toBe("/airlock-config/ca-bundle.crt");
    expect(text("ca-bundle.crt")).toBe([one, two, three].map((each) => `${each}\n`).join(""));
  });

  it("has Node's authorities on a machine without any, and says what it could not read", () => {
    const { text, notes } = machine({}, { SSL_CERT_FILE: "/gone.pem" });
    expect(text("ca-bundle.crt").match(/BEGIN/g)).toHaveLength(rootCertificates.length);
    expect(notes).toEqual(["/gone.pem is named for its authorities and cannot be read"]);
  });
});

describe("indexes on the machine's own loopback", () => {
  it("are named for the relay, one for each place, because no client asks a proxy for them", () => {
    const { text, hosts, notes } = machine(
      { "/home/ada/.npmrc": "registry=http://localhost:4873/\n@a:registry=http://[::1]:4874/\n" },
      {
        PIP_INDEX_URL: "http://127.0.0.1:4873/simple/",
        PIP_EXTRA_INDEX_URL: "http://127.8.8.8:3141/ https://localhost/simple/",
        GOPROXY: "https://localhost.example.org:5000,http://127.0.0.1.example.org:5001",
      },
    );
    expect(text("loopback")).toBe("localhost:4873\n127.8.8.8:3141\n[::1]:4874\n");
    expect(hosts).toHaveLength(7);
    expect(notes).toEqual([
      "localhost is this machine itself, and can be had inside from port 1024 on only",
    ]);
  });

  it("make no file where there is none", () => {
    const { files } = machine({}, { PIP_INDEX_URL: "https://index.example/simple/" });
    expect(files.map(({ path }) => path)).not.toContain("loopback");
  });
});

describe("this very machine", () => {
  it("is read, and a directory that a run's user may not enter is not mounted", () => {
    const folder = mkdtempSync("/var/tmp/airlock-wheels-");
    try {
      mkdirSync(join(folder, "open"));
      chmodSync(folder, 0o755);
      const env = { HOME: "/nowhere", PIP_FIND_LINKS: join(folder, "open") };
      expect(packageConfiguration({ env }).mounts).toHaveLength(1);
      const inTmp = packageConfiguration({ env: { ...env, PIP_FIND_LINKS: "/tmp/wheels/" } });
      expect(inTmp.mounts).toEqual([]);
      chmodSync(join(folder, "open"), 0o000);
      const closed = packageConfiguration({ env });
      expect(closed.mounts).toEqual([]);
      expect(closed.notes).toContain("PIP_FIND_LINKS names no directory that a run may read");
    } finally {
      chmodSync(join(folder, "open"), 0o755);
      rmSync(folder, { recursive: true });
    }
  });
});

describe("TOML", () => {
  it("gives back any string, number and boolean at any key", () => {
    const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean());
    const keys = fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.record({ keys, value })), (settings) => {
        const text = settings.map((each) => {
          const path = each.keys.map((key) => JSON.stringify(key)).join(" . ");
          return `${path} = ${JSON.stringify(each.value)} # "'\n`;
        });
        const wanted = settings.map((each) => ({ path: each.keys, value: each.value }));
        expect(readToml(text.join("\n"))).toEqual(wanted);
      }),
    );
  });

  it("reads any text to its end, or says which line it does not understand", () => {
    const bits = "[ ] { } = , . a 'b' \"c\" # 1 \n [[ ]] \"\"\" ''' \\ true".split(" ");
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...bits)), (parts) => {
        try {
          readToml(parts.join(" "));
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });
});
