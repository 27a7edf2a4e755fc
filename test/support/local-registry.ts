/** Every kind of registry in one HTTPS server on loopback, each with one package named `airlock-fixture`, version 1.0.0. */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import { type ChecksumDatabase, makeChecksumDatabase } from "./checksum-database.ts";
import { openTestAuthority } from "./test-authority.ts";

export const registryHost = "registry.test";

/** All of 127.0.0.0/8 is this machine. */
export const registryAddress = "127.0.0.2";

export interface LocalRegistry {
  /** `https://registry.test:<port>`. */
  url: string;
  host: string;
  /** Plain HTTP, with the same answers. */
  plainHost: string;
  /** The same, at `localhost`. */
  loopbackHost: string;
  /** Path of the certificate of its authority. */
  authority: string;
  /** What GOSUMDB says of its checksum database. */
  sumdb: string;
  /** The file name of its wheel, and what is in it. */
  wheel: { name: string; data: Buffer };
  /** The paths that were asked for, with the host that was asked. */
  asked: string[];
  /** The hashes of its packages, as the locks of their clients write them. */
  hashes: { integrity: string; crate: string; goSum: string };
  /** Paths that are asked for in vain as long as they are in it: nothing is answered. */
  held: Set<string>;
  /** Connections that were made to it so far. */
  connections(): number;
  close(): void;
}

type Answers = Map<string, Buffer | (() => string)>;

export async function openLocalRegistry(directory: string): Promise<LocalRegistry> {
  const authority = openTestAuthority(directory);
  const answers: Answers = new Map();
  const repositories = join(directory, "git");
  const asked: string[] = [];
  const held = new Set<string>();
  const answer = (incoming: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(incoming.url ?? "/", "http://x").pathname);
    asked.push(`${incoming.headers.host} ${path}`);
    if (held.has(path)) return;
    if (path.startsWith("/git/")) return runGit(repositories, incoming, response);
    const found = answers.get(path);
    response.statusCode = found === undefined ? 404 : 200;
    if (path.endsWith("/")) response.setHeader("content-type", "text/html");
    response.end(typeof found === "function" ? found() : found);
  };
  const names = [registryHost, "other.test", registryAddress];
  const secure = createHttps(authority.issue(...names), answer);
  const plain = createServer(answer);
  let connections = 0;
  for (const server of [secure, plain]) server.on("connection", () => connections++);
  const loopback = createServer(answer);
  const listen = async (server: Server, address: string) => {
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(secure, registryAddress);
  const plainPort = await listen(plain, registryAddress);
  const loopbackPort = await listen(loopback, "127.0.0.1");
  const url = `https://${registryHost}:${port}`;
  const wheel = await addWheel(answers);
  const integrity = addNpm(answers, directory, url);
  const sumdb = await addGoModule(answers);
  const crate = addCrate(answers, directory, repositories, url);
  return {
    url,
    host: `${registryHost}:${port}`,
    plainHost: `${registryHost}:${plainPort}`,
    loopbackHost: `localhost:${loopbackPort}`,
    authority: authority.certificate,
    sumdb: `${sumdb.key} ${url}/sumdb`,
    wheel,
    ...{ asked, held },
    hashes: { integrity, crate, goSum: sumdb.sums },
    connections: () => connections,
    close() {
      for (const server of [secure, plain, loopback]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

async function zip(files: Record<string, string>): Promise<Buffer> {
  const archive = new ZipFile();
  for (const [name, text] of Object.entries(files)) archive.addBuffer(Buffer.from(text), name);
  archive.end();
  return buffer(archive.outputStream);
}

async function addWheel(answers: Answers): Promise<LocalRegistry["wheel"]> {
  const info = "airlock_fixture-1.0.0.dist-info";
  const data = await zip({
    "airlock_fixture.py": "word = 'from the local index'\n",
    [`${info}/METADATA`]: "Metadata-Version: 2.1\nName: airlock-fixture\nVersion: 1.0.0\n",
    [`${info}/WHEEL`]:
      "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    [`${info}/RECORD`]: "airlock_fixture.py,,\n",
  });
  const name = "airlock_fixture-1.0.0-py3-none-any.whl";
  answers.set(`/wheels/${name}`, data);
  answers.set("/simple/airlock-fixture/", Buffer.from(`<a href="/wheels/${name}">${name}</a>`));
  return { name, data };
}

/** A gzipped tar with one directory of these files. */
function tarball(directory: string, top: string, files: Record<string, string>): Buffer {
  const place = join(directory, `tar-${top}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(place, top, name, ".."), { recursive: true });
    writeFileSync(join(place, top, name), text);
  }
  return execFileSync("tar", ["-C", place, "-czf", "-", top]);
}

function addNpm(answers: Answers, directory: string, url: string): string {
  const integrity = addModule(answers, directory, url, {
    manifest: { name: "airlock-fixture", version: "1.0.0", main: "index.js" },
    files: { "index.js": "module.exports = 'from the local index';\n" },
  });
  // Its installation looks around, and it says what it saw.
  const look =
    "(ls -A /tmp /workspace /airlock-run; cat /airlock/run-token /airlock/index.json; env; curl -sS http://far.example http://api.proxy) >seen 2>&1";
  addModule(answers, directory, url, {
    manifest: { name: "airlock-nosy", version: "1.0.0", scripts: { install: look } },
    files: {},
  });
  return integrity;
}

function addModule(
  answers: Answers,
  directory: string,
  url: string,
  {
    manifest,
    files,
  }: {
    manifest: { name: string; version: string; [more: string]: unknown };
    files: Record<string, string>;
  },
): string {
  const { name, version } = manifest;
  const place = join(directory, name);
  mkdirSync(place, { recursive: true });
  const tgz = tarball(place, "package", { "package.json": JSON.stringify(manifest), ...files });
  const integrity = `sha512-${createHash("sha512").update(tgz).digest("base64")}`;
  const path = `/npm/${name}/-/${name}-${version}.tgz`;
  const versions = { [version]: { ...manifest, dist: { tarball: `${url}${path}`, integrity } } };
  const document = { name, "dist-tags": { latest: version }, versions };
  answers.set(path, tgz);
  answers.set(`/npm/${name}`, Buffer.from(JSON.stringify(document)));
  return integrity;
}

/** Its checksums are in a database of its own. */
async function addGoModule(answers: Answers): Promise<ChecksumDatabase> {
  const at = "/go/example.test/airlock-fixture/@v";
  const mod = "module example.test/airlock-fixture\n";
  const below = "example.test/airlock-fixture@v1.0.0";
  const source = 'package fixture\n\nfunc Word() string { return "from the local index" }\n';
  answers.set(`${at}/list`, Buffer.from("v1.0.0\n"));
  answers.set(
    `${at}/v1.0.0.info`,
    Buffer.from('{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}'),
  );
  answers.set(`${at}/v1.0.0.mod`, Buffer.from(mod));
  await addGoTool(answers);
  const files = { [`${below}/go.mod`]: mod, [`${below}/fixture.go`]: source };
  answers.set(`${at}/v1.0.0.zip`, await zip(files));
  const module = "example.test/airlock-fixture";
  const sumdb = makeChecksumDatabase("sum.registry.test", module, "v1.0.0", { files, mod });
  for (const [path, data] of sumdb.answers) answers.set(`/sumdb${path}`, data);
  return sumdb;
}

/** A program, which is in no checksum database. */
async function addGoTool(answers: Answers): Promise<void> {
  const at = "/go/example.test/airlock-tool/@v";
  const mod = "module example.test/airlock-tool\n";
  const below = "example.test/airlock-tool@v1.0.0";
  const source = 'package main\n\nfunc main() { println("a tool of go") }\n';
  answers.set(`${at}/list`, Buffer.from("v1.0.0\n"));
  answers.set(
    `${at}/v1.0.0.info`,
    Buffer.from('{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}'),
  );
  answers.set(`${at}/v1.0.0.mod`, Buffer.from(mod));
  answers.set(
    `${at}/v1.0.0.zip`,
    await zip({ [`${below}/go.mod`]: mod, [`${below}/main.go`]: source }),
  );
}

/** With both kinds of index: a git repository, which every cargo knows, and the newer one of single files. */
function addCrate(answers: Answers, directory: string, repositories: string, url: string): string {
  const index = join(repositories, "index");
  const config = JSON.stringify({ dl: `${url}/crates` });
  const crates = {
    "airlock-fixture": [
      "src/lib.rs",
      'pub fn word() -> &\'static str { "from the local index" }\n',
    ],
    "airlock-tool": ["src/main.rs", 'fn main() { println!("a tool of cargo") }\n'],
  } as const;
  mkdirSync(join(index, "ai/rl"), { recursive: true });
  writeFileSync(join(index, "config.json"), config);
  answers.set("/sparse/config.json", Buffer.from(config));
  const sums = Object.entries(crates).map(([name, [path, source]]) => {
    const crate = tarball(directory, `${name}-1.0.0`, {
      "Cargo.toml": `[package]\nname = "${name}"\nversion = "1.0.0"\nedition = "2021"\n`,
      [path]: source,
    });
    const cksum = createHash("sha256").update(crate).digest("hex");
    const row = { name, vers: "1.0.0", deps: [], cksum, features: {}, yanked: false };
    const text = `${JSON.stringify(row)}\n`;
    writeFileSync(join(index, "ai/rl", name), text);
    answers.set(`/sparse/ai/rl/${name}`, Buffer.from(text));
    answers.set(`/crates/${name}/1.0.0/download`, crate);
    return cksum;
  });
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", index, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "-m", "two crates");
  return sums[0] ?? "";
}

/** git's own server, which speaks CGI. */
function runGit(root: string, incoming: IncomingMessage, response: ServerResponse): void {
  const url = new URL(incoming.url ?? "/", "http://x");
  const child = spawn("git", ["-c", "safe.directory=*", "http-backend"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: url.pathname.slice("/git".length),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: incoming.method,
      CONTENT_TYPE: incoming.headers["content-type"],
      HTTP_CONTENT_ENCODING: incoming.headers["content-encoding"],
      GIT_PROTOCOL: String(incoming.headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
  });
  child.stdin.on("error", () => child.kill());
  incoming.pipe(child.stdin);
  void buffer(child.stdout).then((whole) => {
    const at = whole.indexOf("\r\n\r\n");
    for (const line of whole.toString("latin1", 0, at).split("\r\n")) {
      const [name = "", value = ""] = line.split(/: (.*)/);
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(whole.subarray(at + 4));
  });
}
