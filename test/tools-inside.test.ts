/**
 * What people do in a run has to work under all of the isolation: every tool that is promised, and
 * the things that a hardened sandbox usually breaks.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZipFile } from "yazl";
import { type EscapeHost, openEscapeHost } from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import { type HostToolchains, layOutToolchains } from "./support/escape-toolchains.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;

const tools: [name: string, command: string, says: RegExp][] = [
  ["sh", "sh -c 'echo works'", /^works$/],
  ["bash", "bash --version | head -n 1", /^GNU bash, version \d/],
  ["python3", "python3 --version", /^Python 3\.\d+/],
  ["python", "python --version", /^Python 3\.\d+/],
  ["pip", "pip --version", /^pip \d+.* \(python 3\./],
  ["node", "node --version", /^v\d+\.\d+/],
  ["npm", "npm --version", /^\d+\.\d+/],
  ["npx", "npx --version", /^\d+\.\d+/],
  ["git", "git --version", /^git version \d/],
  ["curl", "curl --version | head -n 1", /^curl \d/],
];

/** A wheel as a package index would serve it. */
async function makeWheel(): Promise<{ name: string; bytes: Uint8Array }> {
  const info = "airlock_sample-1.2.dist-info";
  const files: [string, string][] = [
    ["airlock_sample/__init__.py", "def answer():\n    return 42\n"],
    [`${info}/METADATA`, "Metadata-Version: 2.1\nName: airlock-sample\nVersion: 1.2\n"],
    [
      `${info}/WHEEL`,
      "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    ],
  ];
  const record = files.map(([path, text]) => {
    const hash = createHash("sha256").update(text).digest("base64url");
    return `${path},sha256=${hash},${Buffer.byteLength(text)}\n`;
  });
  const zip = new ZipFile();
  for (const [path, text] of [
    ...files,
    [`${info}/RECORD`, `${record.join("")}${info}/RECORD,,\n`],
  ]) {
    zip.addBuffer(Buffer.from(text ?? ""), path ?? "");
  }
  zip.end();
  const pieces: Buffer[] = [];
  for await (const piece of zip.outputStream) pieces.push(Buffer.from(piece));
  return { name: "airlock_sample-1.2-py3-none-any.whl", bytes: Buffer.concat(pieces) };
}

describe.each(identities)("with the gateway as $name, inside a run", (identity) => {
  let host: EscapeHost;
  beforeAll(async () => {
    host = await openEscapeHost(identity);
  });
  afterAll(() => host.close());

  it("every promised tool is there and says its version", async () => {
    const said = await host.attack([tools.map(([, command]) => command).join("\n")]);
    const lines = said.stdout().trim().split("\n");
    expect(lines).toHaveLength(tools.length);
    for (const [index, [name, , says]] of tools.entries()) {
      expect(`${name}: ${lines[index]}`).toMatch(new RegExp(`^${name}: ${says.source.slice(1)}`));
    }
  });

  it("python makes virtual environments, processes, threads and locks", async () => {
    const said = await host.attack([
      "python3 -m venv --without-pip ~/venv && " +
        "~/venv/bin/python -c 'import sys; print(sys.prefix)'",
      python(`
import concurrent.futures, fcntl, multiprocessing, sqlite3, ssl, tempfile, threading
def square(n): return n * n
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(sum(pool.map(square, range(10))))
    queue = multiprocessing.Queue()
    queue.put("queued")
    print(queue.get(timeout=10))
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        print(sum(threads.map(square, range(10))))
    with tempfile.NamedTemporaryFile() as file: fcntl.flock(file, fcntl.LOCK_EX)
    sqlite3.connect("/workspace/x.db").execute("pragma journal_mode=wal").fetchone()
    print(ssl.create_default_context().cert_store_stats()["x509_ca"] >= 0)`),
    ]);
    expect(said.stdout()).toBe("/workspace/venv\n");
    expect(said.stdout(1)).toBe("285\nqueued\n285\nTrue\n");
  });

  it("pip installs a local wheel, and the next call imports it", async () => {
    const wheel = await makeWheel();
    const said = await host.attack(
      [
        `pip install -q --no-index ~/${wheel.name} 2>&1; true`,
        "python3 -c 'import airlock_sample as a; print(a.answer(), a.__file__)'",
        "pip list 2>/dev/null | grep airlock",
      ],
      { files: [{ path: wheel.name, bytes: wheel.bytes }] },
    );
    expect(said.stdout(1)).toMatch(/^42 \/workspace\/\.local\/lib\/python3\.\d+\/site-packages\//);
    expect(said.stdout(2)).toMatch(/^airlock[-_]sample\s+1\.2$/m);
  });

  it("node has workers, child processes, modules and a server for itself", async () => {
    const program = `
import { Worker } from "node:worker_threads";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
const code = "require('node:worker_threads').parentPort.postMessage(6 * 7)";
const worker = new Worker(code, { eval: true });
console.log((await once(worker, "message"))[0]);
console.log(execFileSync("sh", ["-c", "echo child"]).toString().trim());
const server = createServer((_, response) => response.end("served")).listen(0, "127.0.0.1");
await once(server, "listening");
console.log(await (await fetch("http://127.0.0.1:" + server.address().port)).text());
server.close();`;
    const said = await host.attack(["node ~/program.mjs"], {
      files: [{ path: "program.mjs", content: program }],
    });
    expect(said.stdout()).toBe("42\nchild\nserved\n");
  });

  it("npm starts a package, installs a local one, writes its lock and runs scripts", async () => {
    const said = await host.attack([
      "mkdir -p app dep && cd dep && npm init -y >/dev/null && " +
        "echo 'export default 7' >index.js && " +
        "npm pkg set type=module name=dep && cd ../app && npm init -y >/dev/null && " +
        "npm pkg set type=module scripts.go='node main.js' && " +
        "npm install --no-audit --no-fund ../dep >/dev/null && " +
        "echo 'import n from \"dep\"; console.log(n * 6)' >main.js && " +
        "npm run -s go && ls package-lock.json",
      "cd app && sed -i s/6/7/ main.js && mv main.js moved.js && node moved.js && " +
        "npm install --package-lock-only --no-audit --no-fund >/dev/null && " +
        "test -s package-lock.json && echo locked",
    ]);
    expect(said.stdout()).toBe("42\npackage-lock.json\n");
    expect(said.stdout(1)).toBe("49\nlocked\n");
  });

  it("git makes a repository, commits, branches and clones", async () => {
    const said = await host.attack([
      "git init -q -b main repo && cd repo && git config user.email a@example.com && " +
        "git config user.name a && echo one >f && git add f && git commit -qm first && " +
        "git switch -qc other && echo two >>f && git commit -qam second && " +
        "git log --format=%s && " +
        "git clone -q . ../copy && cat ../copy/f && git fsck --strict 2>&1 | tail -n 1",
    ]);
    expect(said.results[0]).toMatchObject({ exit_code: 0 });
    expect(said.stdout()).toMatch(/^second\nfirst\none\ntwo\n/);
  });

  it("a command means the same whatever lies beside it (weaknesses 21, 30h)", async () => {
    const command = 'python3 -c "print(1)" | sed "s/^/it is /"';
    const alone = await host.attack([command]);
    const beside = await host.attack([command], { files: [{ path: "a b.txt", content: "x" }] });
    expect([alone.stdout(), beside.stdout()]).toEqual(["it is 1\n", "it is 1\n"]);
  });

  it("a shell has what scripts expect of it", async () => {
    const said = await host.attack(
      [
        "set -e; tar -cf x.tar /etc/passwd 2>/dev/null; tar -xf x.tar; " +
          "wc -l <etc/passwd >/dev/null; " +
          "mkfifo p; (echo through >p &) ; cat p; diff <(echo a) <(echo a); umask; " +
          "chmod 755 x.tar; touch -d 2020-01-01 x.tar; date -r x.tar +%Y; id -un; " +
          "timeout 0.1 sleep 5 || echo $?; nproc >/dev/null; echo done",
      ].map((command) => `bash -c ${JSON.stringify(command).replaceAll("$", "\\$")}`),
    );
    expect(said.stdout()).toBe("through\n0022\n2020\nagent\n124\ndone\n");
  });
});

describe.each(identities)(
  "with the gateway as $name and toolchains of nvm and pyenv",
  (identity) => {
    let toolchains: HostToolchains;
    let host: EscapeHost;
    beforeAll(async () => {
      toolchains = layOutToolchains(process.execPath);
      host = await openEscapeHost(identity, {
        env: {
          AIRLOCK_TOOLCHAINS: `${toolchains.nvmNode}:${toolchains.pyenv}`,
          PATH: `${toolchains.lockedShims}:/usr/local/bin:/usr/bin:/bin`,
        },
      });
    });
    afterAll(async () => {
      await host.close();
      toolchains.remove();
    });

    it("they come first inside, at their own paths and read-only", async () => {
      const said = await host.attack([
        "command -v node; node -p 'process.execPath'; command -v python3; " +
          "python3 -c 'import sys, json, ssl; print(sys.prefix)'",
        `touch ${toolchains.pyenv}/x 2>/dev/null || echo read-only; ls ${toolchains.directory}`,
      ]);
      const { nvmNode, pyenv } = toolchains;
      expect(said.stdout().trim().split("\n")).toEqual([
        join(nvmNode, "bin/node"),
        join(nvmNode, "bin/node"),
        join(pyenv, "shims/python3"),
        join(pyenv, "versions/3.99"),
      ]);
      // Only what was declared is there, nothing that lies beside it.
      expect(said.stdout(1)).toBe("read-only\nnvm\npyenv\n");
    });

    it("shims of a locked home on the operator's PATH break nothing and are not used", async () => {
      const said = await host.attack(["git --version; npm --version; pip --version; echo $PATH"]);
      expect(said.stdout()).toMatch(/^git version .*\n\d+\.\d+.*\npip \d/);
      expect(said.stdout()).not.toContain(toolchains.lockedShims);
      expect(existsSync(toolchains.taken)).toBe(false);
    });
  },
);
