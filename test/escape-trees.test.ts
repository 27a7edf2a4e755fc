/**
 * Directories that a run has prepared as traps for the gateway: links where the gateway reads
 * outputs or places content, special files, and trees that change while they are looked at.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { findSecret } from "./support/canary.ts";
import { type EscapeHost, openEscapeHost } from "./support/escape-host.ts";
import { identities } from "./support/escape-identities.ts";
import { type FileCanaries, plantFileCanaries, sha256OfFile } from "./support/host-canary.ts";
import { processesWith } from "./support/processes.ts";
import { readZip } from "./support/read-zip.ts";

const exec = (command: string, more = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});
const write = (name: string, content: string) => ({
  tool: "content_write",
  arguments: { name, content },
});
const attackFile = exec(". /workspace/.attack/facts; . /workspace/.attack/0.sh", {
  network: "none",
});

/** What they lead to is ours: a gateway that falls for it must not cost the host a file of its own. */
const behindLinks = [
  "open/open.txt",
  "open/planted",
  "file",
  "up/admin-token",
  "fifo",
  "dir",
  "socket",
];

const scripts = {
  "content-behind-links": {
    turns: [
      { calls: [attackFile, ...behindLinks.map((name) => write(name, "owned"))] },
      { calls: [write("fine/fine.txt", "placed"), exec("cat fine/fine.txt")] },
      { text: "Done." },
    ],
  },
  "hard-links": {
    turns: [
      {
        calls: [write("kept.txt", "original"), exec("ln kept.txt out/link; echo evil >kept.txt")],
      },
      {
        calls: [
          { tool: "content_read", arguments: { name_or_handle: "kept.txt" } },
          write("kept.txt", "second"),
          exec("cat kept.txt; echo; cat out/link"),
        ],
      },
      { text: "Done." },
    ],
  },
};

describe.each(identities)("with the gateway as $name, a run", (identity) => {
  let host: EscapeHost;
  let canaries: FileCanaries;
  let listed: string[];
  beforeAll(async () => {
    canaries = plantFileCanaries(identity);
    host = await openEscapeHost(identity, { scripts });
    listed = readdirSync(canaries.openDir, { recursive: true }).map(String).sort();
  });
  afterAll(async () => {
    await host.close();
    canaries.remove();
  });

  function expectHostUntouched(): void {
    expect(canaries.changed()).toEqual([]);
    expect(readdirSync(canaries.openDir, { recursive: true }).map(String).sort()).toEqual(listed);
    expect(host.keptSecrets(canaries.secrets())).toEqual([]);
  }

  it("gives back no file of the host through links in or over its output directories", async () => {
    const trap = `
rm -rf ~/out ~/a; ln -s "$OPEN" ~/out; ln -s "$OPEN/.." ~/a
cd ~/ok
echo fine >kept; ln kept again
ln -s "$OPEN/open.txt" open; ln -s "$OPEN" dir; ln -s /etc/passwd passwd
ln -s ../../../../key key; ln -s ../../../../admin-token token; ln -s ../../.. up
ln -s /proc/self/environ environ; ln -s /proc/self/root root
mkfifo fifo; mkdir -p deep/er; ln -s "$OPEN/open.txt" deep/er/open
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
rm -rf /tmp/gone; ln -s /workspace/ok /tmp/gone`;
    const said = await host.attack([trap, "ls ~/ok | wc -l"], {
      facts: { OPEN: canaries.openDir },
      outputDirs: ["/workspace/out", `/workspace/a/b`, "/workspace/ok", "/tmp/gone"],
    });
    const client = clientOf(host.gateway);
    const outputs = await client.run(said.run.id).outputs();
    expect(outputs.map(({ path }) => path).sort()).toEqual([
      "/workspace/ok/again",
      "/workspace/ok/kept",
    ]);
    // Control: the traps were all there.
    expect(said.stdout(1)).toBe("13\n");
    const zip = await readZip(await client.run(said.run.id).download());
    const token = readFileSync(join(host.gateway.dataDir, "admin-token"), "utf8").trim();
    const key = readFileSync(join(host.gateway.dataDir, "key"));
    for (const [name, bytes] of zip) {
      for (const secret of [...canaries.secrets(), token]) {
        expect([name, findSecret(bytes, secret)]).toEqual([name, []]);
      }
      expect(bytes.includes(key)).toBe(false);
      expect(bytes.includes("root:x:0:0")).toBe(false);
    }
    const manifest = JSON.parse(zip.get("manifest.json")?.toString() ?? "") as {
      missing: { path: string; reason: string }[];
    };
    const reasonOf = new Map(manifest.missing.map(({ path, reason }) => [path, reason]));
    for (const dir of ["/workspace/out", "/workspace/a/b", "/tmp/gone"]) {
      expect([dir, reasonOf.get(dir)]).toEqual([dir, "directory_missing"]);
    }
    for (const name of ["open", "dir", "passwd", "key", "token", "up", "root", "fifo", "socket"]) {
      expect([name, reasonOf.get(`/workspace/ok/${name}`)]).toEqual([name, "not_a_regular_file"]);
    }
    expect(reasonOf.get("/workspace/ok/deep/er/open")).toBe("not_a_regular_file");
    expectHostUntouched();
  });

  it("has no content written through links, over directories or into FIFOs", async () => {
    const { dataDir } = host.gateway;
    const files = [
      join(canaries.openDir, "open.txt"),
      join(dataDir, "admin-token"),
      join(dataDir, "key"),
    ];
    const before = files.map(sha256OfFile);
    const trap = `
ln -s "$OPEN" open; ln -s "$OPEN/open.txt" file; ln -s ../../.. up
mkfifo fifo; mkdir dir
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/tmp/socket")'`;
    const said = await host.attack([trap], {
      script: "content-behind-links",
      facts: { OPEN: canaries.openDir },
    });
    expect(said.run.status).toBe("succeeded");
    const last = said.results.at(-1);
    // Control: a name with nothing in its way is placed.
    expect(last).toMatchObject({ ok: true, stdout: "placed" });
    const refused = (last?.not_placed as { name: string }[] | undefined)?.map(({ name }) => name);
    expect(refused?.sort()).toEqual([...behindLinks].sort());
    expect(files.map(sha256OfFile)).toEqual(before);
    expectHostUntouched();
  });

  it("changes no stored content through a hard link to its staged copy", async () => {
    const said = await host.attack([], { script: "hard-links", outputDirs: ["/tmp/out"] });
    expect(said.results[2]).toMatchObject({ ok: true, content: "original" });
    expect(said.results[4]).toMatchObject({ ok: true, stdout: "second\nevil\n" });
    const verified = await clientOf(host.gateway).verify();
    expect(verified.defects).toEqual([]);
    const original = createHash("sha256").update("original").digest("hex");
    const blobs = readdirSync(join(host.gateway.dataDir, "blobs"), { recursive: true }).map(String);
    const stored = blobs.find((path) => path.replaceAll("/", "").endsWith(original));
    expect(readFileSync(join(host.gateway.dataDir, "blobs", stored ?? ""), "utf8")).toBe(
      "original",
    );
  });

  it("leads nowhere by swapping directory and link while its outputs are captured", async () => {
    const marker = `airlock-swap-${process.pid}-${identity.gatewayUid}`;
    const swap = `
(setsid python3 -c '
import os, shutil
os.chdir("/workspace/out")
for path in ("d", "l", "t"):
    if os.path.islink(path): os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
os.mkdir("d")
open("d/open.txt", "w").write("own")
n = 0
while True:
    os.symlink(os.environ["OPEN"], "l")
    os.rename("d", "t"); os.rename("l", "d"); os.unlink("d"); os.rename("t", "d")
    n += 1
    if n % 20 == 0: open("/workspace/count", "a").write("x")
' ${marker} >/dev/null 2>&1 &)
for i in $(seq 500); do [ -s ~/count ] && break; sleep 0.01; done`;
    const commands = Array.from({ length: 12 }, (_, index) => `rm -f ~/count; ${swap}; : ${index}`);
    const said = await host.attack([...commands, "wc -c <~/count; ls ~/out"], {
      facts: { OPEN: canaries.openDir },
      outputDirs: ["/workspace/out", "/workspace/out/d"],
    });
    expect(said.run.status).toBe("succeeded");
    expect(processesWith(marker)).toEqual([]);
    // Control: it did swap, again and again.
    expect(Number.parseInt(said.stdout(12), 10)).toBeGreaterThan(0);
    const captured = said.history.filter(({ type }) => type === "outputs.captured");
    expect(captured.length).toBeGreaterThan(0);
    expectHostUntouched();
    const outputs = await clientOf(host.gateway).run(said.run.id).outputs();
    for (const { path, bytes } of outputs) expect([path, bytes]).toEqual([path, 3]);
  });
});
