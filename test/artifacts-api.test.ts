/** Artifacts through the API: made of files and layers, handed over, taken out of force, and read by other programs. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../src/base/limits.ts";
import type { Artifact, ArtifactCreateOptions, Layer } from "../src/sdk/sdk.ts";
import { call, clientOf, type Reachable } from "./support/airlock-api.ts";
import { archiveOf } from "./support/hostile-tar.ts";
import { readOciLayout } from "./support/oci-layout.ts";
import { readZip } from "./support/read-zip.ts";
import { removeTree } from "./support/remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { treeAt } from "./support/tree-in-tar.ts";

const env = { AIRLOCK_RATE_SUBMISSIONS: "10000", AIRLOCK_RATE_EXPORTS: "10000" };
const dataDir = newDataDir();
let gateway: StartedGateway;
let other: Reachable;
let layer: Layer;
let dir: string;
beforeAll(async () => {
  gateway = await startGateway({ env, dataDir });
  const made = await clientOf(gateway).tokens.create({
    ...{ name: "other", scopes: ["runs"], workspace: "other" },
  });
  other = { url: gateway.url, token: made.secret };
  layer = await bring("tiny");
});
afterAll(async () => {
  await gateway.stop();
  removeTree(dataDir);
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-artifacts-"));
});
afterEach(() => {
  removeTree(dir);
});

function bring(text: string): Promise<Layer> {
  const archive = archiveOf([
    { name: "tiny", type: "5" },
    { name: "tiny/__init__.py", bytes: text },
    { name: "tiny-1.0.dist-info", type: "5" },
    { name: "tiny-1.0.dist-info/METADATA", bytes: "Name: tiny\nVersion: 1.0\n" },
  ]);
  return clientOf(gateway).layers.import(archive, { name: "deps" });
}

function create(wanted: ArtifactCreateOptions): Promise<Artifact> {
  return clientOf(gateway).artifacts.create(wanted);
}

const main = { path: "main.py", content: "import tiny\n" };
const program: ArtifactCreateOptions = { files: [main], entrypoints: ["main.py"] };

/** An artifact with everything: a program, data below a directory, and a layer at two places. */
const whole = (): ArtifactCreateOptions => ({
  ...program,
  files: [main, { path: "data/numbers.csv", content: "1,2\n" }],
  layers: [{ layer: layer.id, mount_path: "/opt/deps", mount_as: "/tmp/deps" }],
});

async function bytesOf({ id }: Pick<Artifact, "id">, format: "oci" | "zip"): Promise<Uint8Array> {
  return (await clientOf(gateway).artifacts.export(id, { format })) as Uint8Array;
}

describe("an artifact", () => {
  it("is made of uploaded files, inline and as parts, and shown by id and by ref", async () => {
    const big = Buffer.alloc(3e6, "big");
    const artifact = await create({
      ...{ ...program, name: "report" },
      files: [main, { path: "lib/big.bin", bytes: big, executable: true }],
    });
    expect(artifact).toMatchObject({ name: "report", kind: "generic", runId: null, layers: [] });
    expect(artifact.files).toEqual([
      { name: "lib/big.bin", bytes: 3e6, executable: true, sha256: digestOf(big) },
      { name: "main.py", bytes: 12, executable: true, sha256: digestOf(main.content) },
    ]);
    const { artifacts } = clientOf(gateway);
    expect(await artifacts.get(artifact.id)).toEqual({ artifact, proofs: [] });
    expect(await artifacts.get(artifact.ref ?? "")).toEqual({ artifact, proofs: [] });
    const listed = await Array.fromAsync(artifacts.all());
    expect(listed).toContainEqual(artifact);
  });

  // D06.
  it("is the same one when it is made again, with a new ref; anything else in it is another", async () => {
    const first = await create(whole());
    const again = await call(gateway, "POST", "/api/artifacts", {
      ...whole(),
      files: [...(whole().files ?? [])].reverse(),
      name: "by another name",
    });
    expect(again).toMatchObject({ status: 200, body: { artifact: { id: first.id, name: null } } });
    expect((again.body.artifact as Artifact).ref).not.toBe(first.ref);
    const changed: ArtifactCreateOptions[] = [
      {
        ...whole(),
        files: [{ ...main, content: "import  tiny\n" }, ...(whole().files ?? []).slice(1)],
      },
      { ...whole(), files: [main, { path: "data/n.csv", content: "1,2\n" }] },
      {
        ...whole(),
        files: [main, { path: "data/numbers.csv", content: "1,2\n", executable: true }],
      },
      { ...whole(), entrypoints: [] },
      { ...whole(), kind: "dataset" },
      { ...whole(), layers: [{ layer: layer.id, mount_path: "/opt/deps" }] },
      { ...whole(), layers: [] },
    ];
    const others = await Promise.all(changed.map(create));
    const ids = [first, ...others].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    // What was made first is what it was, also under the name of the ref that came first.
    expect((await clientOf(gateway).artifacts.get(first.ref ?? "")).artifact).toEqual(first);
  });

  it("can be made of others: they come first, later files win, layers and kind carry over", async () => {
    const base = await create({ ...whole(), kind: "agent_bundle" });
    const joined = await create({
      inputs: [base.ref ?? ""],
      files: [{ path: "data/numbers.csv", content: "3,4\n" }],
    });
    expect(joined).toMatchObject({ kind: "agent_bundle", entrypoints: ["main.py"] });
    expect(joined.layers).toEqual(base.layers);
    expect(joined.files.map(({ name, sha256 }) => [name, sha256])).toEqual([
      ["data/numbers.csv", digestOf("3,4\n")],
      ["main.py", digestOf(main.content)],
    ]);
    const wrong = create({ inputs: [base.id], kind: "report" });
    await expect(wrong).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("is handed over by refs that can be revoked one by one; its id stays", async () => {
    const { artifacts } = clientOf(gateway);
    const first = await create({ ...program, kind: "binary" });
    const second = await create({ ...program, kind: "binary" });
    await artifacts.revoke(first.ref ?? "");
    const calls = [
      () => artifacts.get(first.ref ?? ""),
      () => artifacts.export(first.ref ?? "", { format: "zip" }),
      () => artifacts.export(first.ref ?? "", { format: "oci" }),
      () => artifacts.revoke(first.ref ?? ""),
      () => create({ inputs: [first.ref ?? ""] }),
    ];
    for (const revoked of calls) {
      await expect(revoked()).rejects.toMatchObject({
        ...{ code: "not_found", message: expect.stringContaining(first.ref ?? "") },
      });
    }
    expect((await artifacts.get(first.id)).artifact.ref).toBe(second.ref);
    await artifacts.revoke(second.ref ?? "");
    expect((await artifacts.get(first.id)).artifact.ref).toBeNull();
    expect((await call(gateway, "DELETE", `/api/artifacts/${first.id}`)).status).toBe(404);
  });

  it("is listed page by page, each once", async () => {
    const made = await clientOf(gateway).tokens.create({
      ...{ name: "p", scopes: ["runs"], workspace: "pages" },
    });
    const { artifacts } = clientOf({ url: gateway.url, token: made.secret });
    const ids: string[] = [];
    for (const content of ["1", "2", "3"]) {
      ids.push((await artifacts.create({ files: [{ path: "n", content }] })).id);
    }
    const { artifacts: page, nextCursor } = await artifacts.list({ limit: 2 });
    const rest = await artifacts.list({ limit: 2, cursor: nextCursor ?? "" });
    const listed = [...page, ...rest.artifacts].map(({ id }) => id);
    expect([rest.nextCursor, listed.toSorted()]).toEqual([undefined, ids.toSorted()]);
  });
});

// D07, among others.
describe("an artifact is refused, and the field is named, when", () => {
  const at = (mount_path: string) => ({ layers: [{ layer: layer.id, mount_path }] });
  const file = (path: string) => ({ files: [{ path, content: "x" }] });
  it.each<[string, () => object, string]>([
    ["there is nothing in it", () => ({}), "files"],
    ["an entrypoint is not among its files", () => ({ ...program, entrypoints: ["m.py"] }), "m.py"],
    ["an entrypoint climbs out", () => ({ ...program, entrypoints: ["../main.py"] }), "../main.py"],
    ["an entrypoint is absolute", () => ({ ...program, entrypoints: ["/tmp/main.py"] }), "/tmp"],
    ["a file climbs out", () => file("../x"), "files[0].path"],
    ["a file climbs out later", () => file("a/../../x"), "files[0].path"],
    ["a file is absolute", () => file("/etc/x"), "files[0].path"],
    ["a file has a backslash in its name", () => file("a\\b"), "files[0].path"],
    ["a file has a NUL in its name", () => file("a\0b"), "files[0].path"],
    ["a file has a name of 256 bytes", () => file("n".repeat(256)), "files[0].path"],
    ["two files have one name", () => ({ files: [main, main] }), "files[1].path"],
    [
      "a file lies in a file",
      () => ({ files: [main, { path: "main.py/x", content: "" }] }),
      "main.py",
    ],
    [
      "a file has another digest than it says",
      () => ({
        files: [{ ...main, sha256: digestOf("else") }],
      }),
      "files[0].sha256",
    ],
    ["a layer would lie over the system", () => at("/usr"), "/usr"],
    ["a layer would be the root", () => at("/"), '"/"'],
    ["a layer climbs out of its place", () => at("/tmp/../etc"), "/tmp/../etc"],
    ["a layer lies over a file", () => ({ ...program, ...at("/tmp/main.py") }), "/tmp/main.py"],
    [
      "a layer lies in a layer",
      () => ({
        layers: [{ layer: layer.id, mount_path: "/opt/a", mount_as: "/opt/a/b" }],
      }),
      "/opt/a/b",
    ],
    ["a member is unknown", () => ({ ...program, owner: "me" }), "owner"],
  ])("%s", async (_, wanted, named) => {
    const { status, body } = await call(gateway, "POST", "/api/artifacts", wanted());
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain(JSON.stringify(named).slice(1, -1));
  });

  it("a name comes twice in its JSON, so that two readers could see two artifacts", async () => {
    const text = `{"files":[{"path":"a","content":"1"}],"kind":"report","kind":"dataset"}`;
    const { status, body } = await call(gateway, "POST", "/api/artifacts", text);
    expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining("kind")]);
  });

  it.each([
    ["layer", () => ({ layers: [{ layer: `sha256:${"0".repeat(64)}`, mount_path: "/opt/x" }] })],
    ["artifact", () => ({ inputs: [`art_${"0".repeat(32)}`] })],
    ["artifact", () => ({ inputs: [`ar.${"0".repeat(24)}`] })],
  ])("it needs a %s that is not there", async (_, wanted) => {
    const { status, body } = await call(gateway, "POST", "/api/artifacts", wanted());
    expect([status, JSON.stringify(body)]).toEqual([404, expect.stringContaining("[0]")]);
  });
});

describe("a name in another form than its own", () => {
  it("stands for no artifact", async () => {
    const { id, ref } = await create(program);
    const hex = id.slice("art_".length);
    for (const name of [
      ...[
        id.toUpperCase(),
        `art_${hex.toUpperCase()}`,
        hex,
        `sha256:${hex}`,
        `${id}0`,
        id.slice(1),
      ],
      ...[
        `${id}%00`,
        `${id}%0a`,
        `%20${id}`,
        `ART.${hex}`,
        ref?.toUpperCase(),
        `${ref}%2f..`,
        "..%2f",
      ],
    ]) {
      for (const [method, rest] of [
        ["GET", ""],
        ["GET", "/export?format=zip"],
        ["POST", "/exec"],
        ["DELETE", ""],
      ] as const) {
        const body = method === "POST" ? { entrypoint: "main.py" } : undefined;
        const { status } = await call(gateway, method, `/api/artifacts/${name}${rest}`, body);
        expect(status, `${method} ${name}${rest}`).toBe(404);
      }
    }
    expect((await clientOf(gateway).artifacts.get(id)).artifact.ref).toBe(ref);
  });

  it("stands for no layer and no file either", async () => {
    const upper = layer.digest.toUpperCase().replace("SHA256", "sha256");
    for (const wanted of [
      { layers: [{ layer: upper, mount_path: "/opt/x" }] },
      { layers: [{ layer: layer.digest.replace("256", "512"), mount_path: "/opt/x" }] },
      { files: [{ ...main, sha256: digestOf(main.content).slice("sha256:".length) }] },
      { files: [{ ...main, sha256: digestOf(main.content).toUpperCase() }] },
    ]) {
      const { status } = await call(gateway, "POST", "/api/artifacts", wanted);
      expect(status, JSON.stringify(wanted)).toBe(400);
    }
  });
});

describe("a workspace", () => {
  it("cannot tell an artifact of another one from one that nobody has, by id or by ref", async () => {
    const { id, ref } = await create(whole());
    const blind = (body: unknown) => JSON.stringify(body).replaceAll(/(art_|ar\.)\w+/g, "");
    const names = [
      [id, `art_${"0".repeat(32)}`],
      [ref, `ar.${"0".repeat(24)}`],
    ];
    for (const [theirs, none] of names) {
      for (const [method, rest] of [
        ["GET", ""],
        ["GET", "/export?format=zip"],
        ["GET", "/export?format=oci"],
        ["DELETE", ""],
      ] as const) {
        const found = await call(other, method, `/api/artifacts/${theirs}${rest}`);
        const absent = await call(other, method, `/api/artifacts/${none}${rest}`);
        expect([found.status, blind(found.body)]).toEqual([404, blind(absent.body)]);
      }
      const input = await call(other, "POST", "/api/artifacts", { inputs: [theirs] });
      expect(input.status).toBe(404);
    }
    expect((await clientOf(other).artifacts.list()).artifacts).toEqual([]);
    expect((await clientOf(gateway).artifacts.get(ref ?? "")).artifact.id).toBe(id);
  });

  it("opens its artifacts to tokens with the scope `runs`, and to no others", async () => {
    const { id } = await create(program);
    const made = await clientOf(gateway).tokens.create({ name: "a", scopes: ["approve"] });
    const approver = { url: gateway.url, token: made.secret };
    for (const [method, path] of [
      ["GET", "/api/artifacts"],
      ["POST", "/api/artifacts"],
      ["GET", `/api/artifacts/${id}`],
      ["GET", `/api/artifacts/${id}/export?format=zip`],
      ["POST", `/api/artifacts/${id}/exec`],
      ["POST", `/api/artifacts/${id}/prove`],
      ["DELETE", `/api/artifacts/ar.${"0".repeat(24)}`],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      expect((await call(approver, method, path, body)).status, `${method} ${path}`).toBe(403);
      const stranger = { url: gateway.url, token: "alk_nobody" };
      expect((await call(stranger, method, path, body)).status, `${method} ${path}`).toBe(401);
    }
  });
});

describe("an artifact as a zip", () => {
  it("holds its files with their modes, and a manifest that says what it is", async () => {
    const artifact = await create(whole());
    const bytes = await bytesOf(artifact, "zip");
    const zip = await readZip(bytes);
    expect([...zip.keys()]).toEqual(["files/data/numbers.csv", "files/main.py", "manifest.json"]);
    const { id, digest, entrypoints, layers } = artifact;
    const manifest = JSON.parse(zip.get("manifest.json")?.toString() ?? "");
    expect(manifest).toMatchObject({ id, digest, entrypoints, layers });
    for (const { path, sha256 } of manifest.files) {
      expect(digestOf(zip.get(path) ?? "")).toBe(sha256);
    }
    const file = join(dir, "artifact.zip");
    writeFileSync(file, bytes);
    execFileSync("python3", ["-m", "zipfile", "-e", file, join(dir, "out")]);
    expect(readFileSync(join(dir, "out/files/main.py"), "utf8")).toBe(main.content);
    expect(await bytesOf(artifact, "zip")).toEqual(bytes);
  });

  // D09.
  it("gives names that no system reads as another place or another file, each once", async () => {
    const names = [
      ...["con.txt", "sub/AUX", "a:ads", "C:x", "trail.", "trail ", "A.txt", "a.txt"],
      ...["\u202egnp.exe", "e\u0301.txt", "\u00e9.txt", "straße", "STRASSE", "-rf", "~", "%2e%2e"],
      ...["n".repeat(255), '?*<>|"', ".hidden", "..."],
    ];
    const artifact = await create({ files: names.map((path) => ({ path, content: path })) });
    const zip = await readZip(await bytesOf(artifact, "zip"));
    const manifest = JSON.parse(zip.get("manifest.json")?.toString() ?? "");
    const paths = manifest.files.map(({ path }: { path: string }) => path) as string[];
    const folded = paths.map((path) => path.normalize("NFC").toUpperCase().toLowerCase());
    expect(new Set(folded).size).toBe(names.length);
    for (const path of paths) {
      expect(path).toMatch(/^files\/[^\\:*?"<>|\0-\x1f\x7f\u202a-\u202e]+$/);
      for (const name of path.split("/")) {
        expect(name).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|^\.\.?$|[. ]$/i);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      }
    }
    // Behind each of them is still the file that the artifact means.
    for (const { path, name } of manifest.files) expect(zip.get(path)?.toString()).toBe(name);
  });
});

describe("an artifact as an OCI image", () => {
  it("holds what the specification says, and nothing else", async () => {
    const artifact = await create(whole());
    const bytes = await bytesOf(artifact, "oci");
    const image = readOciLayout(bytes);
    const architecture = process.arch === "x64" ? "amd64" : process.arch;
    expect(image).toMatchObject({ name: artifact.id, architecture });
    const tree = (at: string) => ({
      [`${at}/tiny`]: "directory 755",
      [`${at}/tiny/__init__.py`]: "file 644 tiny",
      [`${at}/tiny-1.0.dist-info`]: "directory 755",
      [`${at}/tiny-1.0.dist-info/METADATA`]: "file 644 Name: tiny\nVersion: 1.0\n",
    });
    expect(image.layers).toEqual([
      {
        tmp: "directory 1777",
        "tmp/data": "directory 755",
        "tmp/data/numbers.csv": "file 644 1,2\n",
        "tmp/main.py": "file 755 import tiny\n",
      },
      expect.objectContaining(tree("opt/deps")),
      expect.objectContaining(tree("tmp/deps")),
    ]);
    expect(image.config.Entrypoint).toEqual(["python3", "/tmp/main.py"]);
    expect(image.config.Env).toContain("PYTHONPATH=/opt/deps");
    expect(await bytesOf(artifact, "oci")).toEqual(bytes);
  });

  it("is read, copied and unpacked by the programs that others read images with", async () => {
    const artifact = await create(whole());
    const file = join(dir, "image.tar");
    writeFileSync(file, await bytesOf(artifact, "oci"));
    const environment = { ...process.env, TMPDIR: dir, XDG_RUNTIME_DIR: dir, HOME: dir };
    const run = (name: string, args: string[]) =>
      execFileSync(name, args, { encoding: "utf8", env: environment, cwd: dir, stdio: "pipe" });
    const seen = JSON.parse(run("skopeo", ["inspect", `oci-archive:${file}`]));
    expect(seen).toMatchObject({ Os: "linux", Labels: { "airlock.artifact": artifact.id } });
    run("skopeo", ["--insecure-policy", "copy", `oci-archive:${file}`, `oci:${dir}/copy:it`]);
    run("umoci", ["unpack", "--rootless", "--image", `${dir}/copy:it`, `${dir}/bundle`]);
    const root = join(dir, "bundle/rootfs");
    expect(treeAt(join(root, "tmp"))).toMatchObject({
      "main.py": "file 755 import tiny\n",
      "deps/tiny/__init__.py": "file 644 tiny",
    });
    expect(treeAt(join(root, "opt"))).toMatchObject({ "deps/tiny/__init__.py": "file 644 tiny" });
    const { process: started } = JSON.parse(readFileSync(join(dir, "bundle/config.json"), "utf8"));
    expect(started).toMatchObject({ args: ["python3", "/tmp/main.py"], cwd: "/tmp" });
  });

  it("is what its entrypoint was compiled for, and refused when that is nothing it has a name for", async () => {
    const elf = (machine: number) => {
      const head = Buffer.alloc(64);
      head.write("\x7fELF\x02\x01\x01", "latin1");
      head.writeUInt16LE(machine, 18);
      return head;
    };
    const compiled = (machine: number) =>
      create({ files: [{ path: "tool", bytes: elf(machine) }], entrypoints: ["tool"] });
    const arm = readOciLayout(await bytesOf(await compiled(183), "oci"));
    expect(arm).toMatchObject({ architecture: "arm64", config: { Entrypoint: ["/tmp/tool"] } });
    const path = `/api/artifacts/${(await compiled(8)).id}/export?format=oci`;
    expect((await call(gateway, "GET", path)).status).toBe(400);
  });
});

describe("an export", () => {
  it.each(["oci", "zip"] as const)(
    "as %s is not sent again to a client that has it",
    async (format) => {
      const { id, digest } = await create(whole());
      const url = `${gateway.url}/api/artifacts/${id}/export?format=${format}`;
      const authorization = `Bearer ${gateway.token}`;
      const first = await fetch(url, { headers: { authorization } });
      const etag = first.headers.get("etag") ?? "";
      expect(etag).toBe(`W/"${digest}.${format}"`);
      expect(first.headers.get("content-disposition")).toMatch(
        /^attachment; filename="art_\w+\.[\w.]+"/,
      );
      const { byteLength } = await first.arrayBuffer();
      const announced = first.headers.get("content-length");
      expect(announced).toBe(format === "oci" ? String(byteLength) : null);
      const second = await fetch(url, { headers: { authorization, "if-none-match": etag } });
      expect([second.status, (await second.arrayBuffer()).byteLength]).toEqual([304, 0]);
    },
  );

  it.each(["tar", "", "OCI"])("in the format %j is refused", async (format) => {
    const { id } = await create(program);
    const path = `/api/artifacts/${id}/export?format=${format}`;
    expect((await call(gateway, "GET", path)).status).toBe(400);
  });
});

describe("images that nobody takes", () => {
  it("are bounded for each workspace, refused in words beyond, and gone when their readers are", async () => {
    const bytes = randomBytes(12e6);
    const bulky = { files: [{ path: "bulk", bytes }] };
    const { id } = await create(bulky);
    const theirs = await clientOf(other).artifacts.create(bulky);
    const path = `${gateway.url}/api/artifacts/${id}/export?format=oci`;
    const headers = { authorization: `Bearer ${gateway.token}` };
    const leave = new AbortController();
    const open = () => fetch(path, { headers, signal: leave.signal });
    const held = await Promise.all(Array.from({ length: limits.imagesAtOnce }, open));
    expect(held.map(({ status }) => status)).toEqual(held.map(() => 200));
    const refused = await fetch(path, { headers });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "10"]);
    expect(await refused.json()).toMatchObject({ error: { code: "too_many_requests" } });
    const image = await clientOf(other).artifacts.export(theirs.id, { format: "oci" });
    expect((image as Uint8Array).length).toBeGreaterThan(bytes.length);
    leave.abort();
    const spool = join(dataDir, "exports");
    await expect.poll(() => readdirSync(spool), { timeout: 20_000 }).toEqual([]);
    expect((await bytesOf({ id }, "oci")).length).toBe((image as Uint8Array).length);
  });
});

// D01, D02 and D03: bits, lengths, other good bytes, and what is no file.
describe("what somebody changed on disk", () => {
  const blobOf = (text: string) => {
    const hex = createHash("sha256").update(text).digest("hex");
    return join(dataDir, "blobs", hex.slice(0, 2), hex.slice(2));
  };
  const ways: Record<string, (path: string, text: string) => void> = {
    "has one bit flipped": (path, text) => {
      const bytes = Buffer.from(text);
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    },
    "is cut off": (path, text) => writeFileSync(path, text.slice(0, -1)),
    "is longer": (path, text) => writeFileSync(path, `${text}x`),
    "is another blob": (path) => writeFileSync(path, main.content),
    "is a link to the same bytes": (path, text) => {
      writeFileSync(join(dir, "same"), text);
      rmSync(path);
      symlinkSync(join(dir, "same"), path);
    },
    "is gone": (path) => rmSync(path),
  };
  it.each(Object.entries(ways))(
    "and %s is not exported, and the file is named",
    async (way, change) => {
      const text = `of the one that ${way}\n`;
      const artifact = await create({ files: [main, { path: "data/it.txt", content: text }] });
      const path = blobOf(text);
      chmodSync(path, 0o600);
      change(path, text);
      for (const format of ["zip", "oci"] as const) {
        await expect(bytesOf(artifact, format)).rejects.toMatchObject({
          ...{ code: "digest_mismatch", message: expect.stringContaining('"data/it.txt"') },
          details: { artifactId: artifact.id, file: "data/it.txt" },
        });
      }
      // Brought again, it is mended.
      await create({ files: [{ path: "again", content: text }] });
      expect(readOciLayout(await bytesOf(artifact, "oci")).layers).toHaveLength(1);
    },
  );

  it("in a layer: the image is refused and the layer named, and whatever does not need it goes on", async () => {
    const own = await bring("changed later");
    const artifact = await create({
      ...program,
      layers: [{ layer: own.id, mount_path: "/opt/d" }],
    });
    const path = join(dataDir, "layers", own.digest.slice(7), "tree/tiny/__init__.py");
    chmodSync(path, 0o644);
    writeFileSync(path, "Changed later");
    await clientOf(gateway).layers.verify(own.id);
    await expect(bytesOf(artifact, "oci")).rejects.toMatchObject({
      ...{ code: "layer_unusable", message: expect.stringContaining(own.id) },
    });
    expect((await readZip(await bytesOf(artifact, "zip"))).has("files/main.py")).toBe(true);
    removeTree(join(dataDir, "layers", own.digest.slice(7)));
    await expect(bytesOf(artifact, "oci")).rejects.toMatchObject({
      ...{ code: "layer_unusable", message: expect.stringContaining(own.id) },
    });
    await bring("changed later");
    expect(readOciLayout(await bytesOf(artifact, "oci")).layers).toHaveLength(2);
  });

  it("in the row of an artifact: it is refused by name, and no artifact is made of it", async () => {
    const artifact = await create({ files: [{ path: "row", content: "row" }] });
    await gateway.stop();
    const database = new DatabaseSync(join(dataDir, "airlock.db"));
    const sql =
      "update artifacts set manifest = replace(manifest, '\"row\"', '\"wor\"') where id = ?";
    expect(database.prepare(sql).run(artifact.id).changes).toBe(1);
    database.close();
    gateway = await startGateway({ env, dataDir });
    const { artifacts } = clientOf(gateway);
    const { ok, defects } = await clientOf(gateway).verify();
    expect({ ok, defects }).toMatchObject({
      ok: false,
      defects: [{ kind: "row_mismatch", subject: artifact.id }],
    });
    const refused = { code: "digest_mismatch", message: expect.stringContaining(artifact.id) };
    for (const wanted of [
      () => artifacts.get(artifact.id),
      () => artifacts.get(artifact.ref ?? ""),
      () => bytesOf(artifact, "zip"),
      () => create({ inputs: [artifact.id] }),
    ]) {
      await expect(wanted()).rejects.toMatchObject(refused);
    }
  });
});

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
