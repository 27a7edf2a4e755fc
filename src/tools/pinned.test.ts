import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Listing } from "../sandbox/sandbox.ts";
import { isPinned } from "./pinned.ts";
import type { ToolContext } from "./tool.ts";

const hex = (text: string) => createHash("sha256").update(text).digest("hex");

/** A run with this content, which lies in `/tmp` as it was written unless `changed` says what lies there. */
function pinned(
  command: string,
  files: Record<string, string>,
  changed: Record<string, string> = {},
): Promise<boolean> {
  const versions = Object.entries(files).map(([name, text], order) => ({
    ...{ runId: "run", name, visibility: "session", order },
    ...{ sha256: `sha256:${hex(text)}`, bytes: text.length },
  }));
  const before: Listing = new Map();
  for (const [name, text] of Object.entries({ ...files, ...changed })) {
    before.set(`/tmp/${name}`, {
      ...{ type: "file", executable: false, sha256: hex(text), bytes: text.length },
    });
  }
  const context = {
    runId: "run",
    content: async () => versions,
    blobs: {
      get: async (sha256: string) =>
        Buffer.from(Object.values(files).find((text) => `sha256:${hex(text)}` === sha256) ?? ""),
    },
  } as unknown as ToolContext;
  return isPinned(command, before, context);
}

const hash = `--hash=sha256:${"ab".repeat(32)}`;
const locked = `# made by a tool\n--require-hashes\none==1.0 ${hash}\ntwo==2.0 \\\n    ${hash} \\\n    ${hash}  # both\n`;
const npmLock = (...entries: object[]) =>
  JSON.stringify({
    lockfileVersion: 3,
    packages: Object.fromEntries([
      ["", { name: "x" }],
      ...entries.map((entry, index) => [`node_modules/p${index}`, entry]),
    ]),
  });
const whole = { version: "1.0.0", integrity: "sha512-x" };
const goMod =
  "module x\n\ngo 1.18\n\nrequire (\n\ta.test/one v1.2.3 // indirect\n\ta.test/two v0.1.0\n)\n";
const goSum = "a.test/one v1.2.3 h1:x=\na.test/one v1.2.3/go.mod h1:y=\na.test/two v0.1.0 h1:z=\n";
const crate = '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+x"\n';

describe("what a build installs is fixed by hashes", () => {
  it.each<[string, Record<string, string>]>([
    ["pip install -r requirements.txt --target /tmp/venv", { "requirements.txt": locked }],
    ["cd /tmp && pip3 install -r ./requirements.txt -t deps", { "requirements.txt": locked }],
    [
      "mkdir -p deps && python3 -m pip install --no-deps --target deps -r /tmp/lock/all.txt",
      { "lock/all.txt": locked },
    ],
    ["npm ci", { "package-lock.json": npmLock(whole, { link: true }) }],
    ["npm ci --prefix /tmp --omit=dev --no-audit", { "package-lock.json": npmLock(whole) }],
    [
      "npm ci --ignore-scripts",
      { "package-lock.json": npmLock({ ...whole, hasInstallScript: true }) },
    ],
    ["go mod download -modcacherw", { "go.mod": goMod, "go.sum": goSum }],
    ["cargo fetch --locked", { "Cargo.lock": `${crate}checksum = "ab"\n` }],
    ["cargo fetch --locked", { "Cargo.lock": '[[package]]\nname = "own"\nversion = "0.1.0"\n' }],
  ])("by %s", async (command, files) => {
    expect(await pinned(command, files)).toBe(true);
  });
});

describe("what a build installs is not known to be fixed", () => {
  it.each<[string, Record<string, string>, string]>([
    ["pip install -r requirements.txt", {}, "no such content"],
    ["pip install -r requirements.txt", { "requirements.txt": "" }, "nothing is named"],
    ["pip install -r requirements.txt", { "requirements.txt": "one==1.0\n" }, "no hash"],
    ["pip install -r requirements.txt", { "requirements.txt": `${locked}three\n` }, "one without"],
    ["pip install -r requirements.txt", { "requirements.txt": `one # ${hash}\n` }, "a comment"],
    ["pip install -r requirements.txt three", { "requirements.txt": locked }, "one beside"],
    ["pip install -r requirements.txt && pip install x", { "requirements.txt": locked }, "two"],
    ["pip install -r requirements.txt; echo", { "requirements.txt": locked }, "a shell"],
    ["pip install -r $FILE", { $FILE: locked }, "a variable"],
    ["FOO=1 pip install -r requirements.txt", { "requirements.txt": locked }, "a word before"],
    ["pip wheel -r requirements.txt", { "requirements.txt": locked }, "another command"],
    ["npm install", { "package-lock.json": npmLock(whole) }, "it changes its lock"],
    ["npm ci", { "package-lock.json": npmLock({ version: "1.0.0" }) }, "no integrity"],
    ["npm ci", { "package-lock.json": '{"lockfileVersion":1,"dependencies":{}}' }, "an old lock"],
    ["npm ci", { "package-lock.json": '{"packages":null}' }, "no packages"],
    ["npm ci", { "package-lock.json": "{" }, "no JSON"],
    ["npm ci", { "package-lock.json": "null" }, "no object"],
    [
      "npm ci",
      { "package-lock.json": npmLock({ ...whole, hasInstallScript: true }) },
      "a script of a package",
    ],
    [
      "npm ci",
      { "package-lock.json": npmLock(whole), "npm-shrinkwrap.json": "{}" },
      "a lock that goes before it",
    ],
    ["npm ci --prefix /tmp/sub", { "package-lock.json": npmLock(whole) }, "another directory"],
    ["npm ci -C sub", { "package-lock.json": npmLock(whole) }, "another directory, shorter"],
    ["go mod download", { "go.mod": goMod }, "no sums"],
    ["go mod download", { "go.mod": goMod, "go.sum": "" }, "empty sums"],
    [
      "go mod download",
      { "go.mod": goMod, "go.sum": goSum.replace("a.test/two", "b") },
      "a missing sum",
    ],
    [
      "go mod download",
      { "go.mod": `${goMod}replace a.test/two => ../two\n`, "go.sum": goSum },
      "a replacement",
    ],
    ["go mod download x@latest", { "go.mod": goMod, "go.sum": goSum }, "something else"],
    ["cargo fetch", { "Cargo.lock": `${crate}checksum = "ab"\n` }, "the lock may change"],
    ["cargo fetch --locked", { "Cargo.lock": crate }, "no checksum"],
    ["make deps", { "package-lock.json": npmLock(whole) }, "who knows"],
  ])("by %s with %o: %s", async (command, files) => {
    expect(await pinned(command, files)).toBe(false);
  });

  it("by a lock that the run changed after it was written", async () => {
    const files = { "requirements.txt": locked };
    const command = "pip install -r requirements.txt";
    expect(await pinned(command, files, { "requirements.txt": locked })).toBe(true);
    expect(await pinned(command, files, { "requirements.txt": "one\n" })).toBe(false);
  });
});
