/** Layers through the API: what a workspace has of them, how they travel, and what is refused. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Layer } from "../src/sdk/sdk.ts";
import { call, clientOf, type Reachable } from "./support/airlock-api.ts";
import { archiveOf, pax, type TarEntry, tarOf } from "./support/hostile-tar.ts";
import { removeTree } from "./support/remove-tree.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { treeInTar } from "./support/tree-in-tar.ts";

const type = { "content-type": "application/zstd" };
const nobody = `layer_${"0".repeat(32)}`;

/** A package of Python, whose only file says `text`. */
const packageOf = (text: string): TarEntry[] => [
  { name: "tiny", type: "5" },
  { name: "tiny/__init__.py", bytes: text },
  { name: "tiny-1.0.dist-info", type: "5" },
  {
    name: "tiny-1.0.dist-info/METADATA",
    bytes: "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
  },
  { name: "tiny-1.0.dist-info/RECORD", bytes: "tiny/__init__.py,,\n" },
  { name: "tool", mode: 0o755, bytes: "#!/bin/sh\n" },
  { name: "link", type: "2", link: "/etc/shadow" },
];

let gateway: StartedGateway;
let other: Reachable;
beforeAll(async () => {
  const env = { AIRLOCK_RATE_SUBMISSIONS: "10000", AIRLOCK_RATE_EXPORTS: "10000" };
  gateway = await startGateway({ env });
  other = await tokenFor({ workspace: "other" });
});
afterAll(() => gateway.stop());

async function tokenFor(wanted: { scopes?: ("runs" | "approve" | "admin")[]; workspace?: string }) {
  const made = await clientOf(gateway).tokens.create({ name: "t", scopes: ["runs"], ...wanted });
  return { url: gateway.url, token: made.secret };
}

/** Sends bytes as they are, and gives status and body. */
async function send(
  bytes: Buffer,
  query: Record<string, string> = { name: "deps" },
  headers: Record<string, string> = type,
  { url, token }: Reachable = gateway,
) {
  const response = await fetch(`${url}/api/layers?${new URLSearchParams(query)}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: new Uint8Array(bytes),
  });
  const body = (await response.json()) as {
    layer?: Layer;
    error?: { code: string; message: string };
  };
  return { status: response.status, ...body };
}

async function bring(text: string, where: Reachable = gateway, name = "deps"): Promise<Layer> {
  const sent = await send(archiveOf(packageOf(text)), { name }, type, where);
  expect(sent).toMatchObject({ status: 201 });
  return sent.layer as Layer;
}

const directoryOf = ({ digest }: Layer) => join(gateway.dataDir, "layers", digest.slice(7));

/** What the layer store has on disk, whole or not. */
function onDisk(): string[] {
  const root = join(gateway.dataDir, "layers");
  return [...readdirSync(root), ...readdirSync(join(root, "incoming"))].sort();
}

describe("a layer", () => {
  it("is brought, listed, shown by id and by digest, and says what is in it", async () => {
    const layer = await bring("shown");
    expect(layer).toMatchObject({ name: "deps", fileCount: 4, abi: null, hosts: [], runId: null });
    expect(layer.id).toBe(`layer_${layer.digest.slice(7, 39)}`);
    const { layers } = clientOf(gateway);
    expect(await layers.get(layer.id)).toEqual(layer);
    expect(await layers.get(layer.digest)).toEqual(layer);
    expect((await layers.list()).layers).toContainEqual(layer);
    expect(await layers.verify(layer.id)).toEqual({ ok: true });
    expect(await layers.sbom(layer.id)).toMatchObject({
      bomFormat: "CycloneDX",
      components: [{ name: "tiny", version: "1.0", purl: "pkg:pypi/tiny@1.0" }],
    });
  });

  it("is the same layer when it comes again, by another name and packed in another way", async () => {
    const layer = await bring("again");
    const before = onDisk();
    // The same tree: other times of compression, other modes of the kind that does not count.
    const entries = packageOf("again").map((entry) => ({ ...entry, mode: 0o700 }));
    const files = entries.map((entry) =>
      entry.type === undefined && entry.name !== "tool" ? { ...entry, mode: 0o600 } : entry,
    );
    const again = await send(zstdCompressSync(tarOf(files)), { name: "renamed" });
    expect(again).toMatchObject({ status: 201, layer: { digest: layer.digest, name: "deps" } });
    // What came twice is removed when the answer has gone.
    await expect.poll(onDisk, { timeout: 10_000 }).toEqual(before);
  });

  it("is one layer when many bring it at once, in two workspaces", async () => {
    const archive = archiveOf(packageOf("at once"));
    const sent = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        send(archive, { name: `n${n}` }, type, n % 2 === 0 ? gateway : other),
      ),
    );
    expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 201));
    expect(new Set(sent.map(({ layer }) => layer?.digest)).size).toBe(1);
    const [first] = sent;
    const { layers } = clientOf(gateway);
    const listed = (await layers.list()).layers.filter(({ id }) => id === first?.layer?.id);
    expect(listed).toHaveLength(1);
    expect(await layers.verify(listed[0]?.id ?? "")).toEqual({ ok: true });
  });

  it("leaves as an archive that any tar reads, and arrives elsewhere as the same layer", async () => {
    const layer = await bring("travels");
    const bytes = (await clientOf(gateway).layers.export(layer.id)) as Uint8Array;
    expect(Buffer.from(await exported(layer))).toEqual(Buffer.from(bytes));
    const tree = treeInTar(zstdDecompressSync(bytes));
    expect(tree).toMatchObject({
      "tiny/__init__.py": "file 644 travels",
      tool: "file 755 #!/bin/sh\n",
      link: "link /etc/shadow",
    });
    const options = { name: "theirs", digest: layer.digest };
    const theirs = await clientOf(other).layers.import(bytes, options);
    expect(theirs).toMatchObject({ digest: layer.digest, name: "theirs" });
    expect(await clientOf(other).layers.export(theirs.id)).toEqual(bytes);
  });

  it("is not sent again to a client that has it", async () => {
    const { id, digest } = await bring("cached");
    const path = `/api/layers/${id}/export`;
    const authorization = `Bearer ${gateway.token}`;
    const first = await fetch(gateway.url + path, { headers: { authorization } });
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toBe(`W/"${digest}"`);
    expect(first.headers.get("content-disposition")).toContain(`${id}.tar.zst`);
    await first.arrayBuffer();
    for (const tag of [etag, `"else", ${etag}`, "*", `"${digest}"`]) {
      const headers = { authorization, "if-none-match": tag };
      const second = await fetch(gateway.url + path, { headers });
      expect([second.status, (await second.arrayBuffer()).byteLength]).toEqual([304, 0]);
    }
    const headers = { authorization, "if-none-match": '"else"' };
    expect((await fetch(gateway.url + path, { headers })).status).toBe(200);
  });

  it("tells how far it is while it comes and goes", async () => {
    const { layers } = clientOf(gateway);
    const archive = archiveOf([{ name: "big", bytes: randomText(4e6) }]);
    const sent: number[] = [];
    const onProgress = (bytes: number) => void sent.push(bytes);
    const path = join(gateway.dataDir, "big.tar.zst");
    writeFileSync(path, archive);
    const { id } = await layers.import(path, { name: "big", onProgress });
    expect(sent.length).toBeGreaterThan(2);
    expect(sent).toEqual(sent.toSorted((a, b) => a - b));
    expect(sent.at(-1)).toBe(archive.length);
    const came: number[] = [];
    const bytes = (await layers.export(id, { onProgress: (n) => came.push(n) })) as Uint8Array;
    expect([came.length > 2, came.at(-1)]).toEqual([true, bytes.length]);
  });

  it("is listed page by page, each once, and a cursor that nobody gave is refused", async () => {
    const where = await tokenFor({ workspace: "pages" });
    const brought = [];
    for (const text of ["one", "two", "three", "four", "five"])
      brought.push(await bring(text, where));
    const { layers } = clientOf(where);
    const first = await layers.list({ limit: 2 });
    expect(first.layers).toHaveLength(2);
    const all = await Array.fromAsync(layers.all());
    const ids = (list: Layer[]) => list.map(({ id }) => id);
    expect(ids(all).sort()).toEqual(ids(brought).sort());
    const times = all.map(({ createdAt }) => createdAt);
    expect(times).toEqual([...times].sort().reverse());
    const paged = [...first.layers];
    for (let cursor = first.nextCursor; cursor !== undefined; ) {
      const page = await layers.list({ limit: 2, cursor });
      paged.push(...page.layers);
      cursor = page.nextCursor;
    }
    expect(ids(paged)).toEqual(ids(all));
    await expect(layers.list({ cursor: "bm9uc2Vuc2U" })).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("is removed when nothing needs it, and refused by name while an artifact does", async () => {
    const { layers, artifacts } = clientOf(gateway);
    const layer = await bring("removed");
    await layers.delete(layer.digest);
    await expect(layers.get(layer.id)).rejects.toMatchObject({ code: "not_found" });
    await expect(layers.delete(layer.id)).rejects.toMatchObject({ code: "not_found" });
    const needed = await bring("needed");
    await artifacts.create({ layers: [{ layer: needed.id, mount_path: "/opt/deps" }] });
    await expect(layers.delete(needed.id)).rejects.toMatchObject({
      ...{ code: "layer_in_use", status: 409 },
      message: expect.stringContaining(needed.id),
    });
    expect(await layers.get(needed.id)).toEqual(needed);
  });
});

async function exported({ id }: Layer, { url, token }: Reachable = gateway) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/api/layers/${id}/export`, { headers });
  expect(response.status).toBe(200);
  return response.arrayBuffer();
}

describe("a digest", () => {
  const hex = createHash("sha256").update("anything").digest("hex");
  const wrong = {
    "upper case": `sha256:${hex.toUpperCase()}`,
    "no prefix": hex,
    "another prefix": `SHA256:${hex}`,
    "another algorithm": `sha512:${hex}${hex}`,
    "another separator": `sha256-${hex}`,
    "one digit less": `sha256:${hex.slice(1)}`,
    "one digit more": `sha256:${hex}0`,
    "junk behind it": `sha256:${hex}%00`,
    "a line behind it": `sha256:${hex}%0a`,
    "an id in upper case": `layer_${hex.slice(0, 32).toUpperCase()}`,
    "a path": "..%2f..%2fetc",
  };
  it.each(Object.entries(wrong))(
    "in another form than the one (%s) names nothing",
    async (_, text) => {
      for (const [method, rest] of [
        ["GET", ""],
        ["GET", "/export"],
        ["GET", "/sbom"],
        ["POST", "/verify"],
        ["DELETE", ""],
      ] as const) {
        const { status } = await call(gateway, method, `/api/layers/${text}${rest}`);
        expect(status, `${method} ${rest}`).toBe(404);
      }
      const sent = await send(archiveOf(packageOf("d")), {
        name: "d",
        digest: decodeURIComponent(text),
      });
      expect(sent).toMatchObject({ status: 400, error: { code: "invalid_request" } });
    },
  );

  it("that was announced and is not that of the archive: nothing is stored", async () => {
    const before = onDisk();
    const digest = `sha256:${hex}`;
    const sent = await send(archiveOf(packageOf("announced")), { name: "d", digest });
    expect(sent).toMatchObject({ status: 400, error: { code: "invalid_request" } });
    expect(sent.error?.message).toContain(digest);
    expect(onDisk()).toEqual(before);
    expect((await call(gateway, "GET", `/api/layers/${digest}`)).status).toBe(404);
  });
});

describe("an archive that an enemy packed", () => {
  const file = { name: "x", bytes: "x" };
  const hostile: Record<string, [TarEntry[], string]> = {
    "climbs out": [[{ name: "../x", bytes: "x" }], '".."'],
    "is absolute": [[{ name: "/tmp/x", bytes: "x" }], "an absolute path"],
    "climbs out by a record": [[pax({ path: "../é" }), file], '".."'],
    "writes through a link": [
      [
        { name: "d", type: "2", link: "/tmp" },
        { name: "d/x", bytes: "x" },
      ],
      "no directory that came",
    ],
    "replaces a link": [[{ name: "x", type: "2", link: "/tmp/x" }, file], "a path twice"],
    "links hard to the host": [[{ name: "h", type: "1", link: "/etc/passwd" }], "a hard link"],
    "has a device": [[{ name: "null", type: "3" }], "a character device"],
    "has a FIFO": [[{ name: "pipe", type: "6" }], "a FIFO"],
    "has a long name of GNU": [[{ name: "././@LongLink", type: "L", bytes: "../x" }, file], "GNU"],
    "speaks of all entries": [[pax({ path: "../x" }, "g"), file], "a global pax header"],
    "has a negative size": [[{ ...file, size: "-0000000001\0" }], "not octal"],
    "has a size of base 256": [[{ ...file, size: `\x80${"\0".repeat(10)}\x01` }], "not octal"],
    "has a huge size": [[{ ...file, size: "77777777777\0" }], ""],
    "has a wrong checksum": [[{ ...file, badSum: true }], "checksum is wrong"],
    "sets attributes": [[pax({ "SCHILY.xattr.security.capability": "x" }), file], "keyword"],
    "has a NUL in a name": [[{ name: "a\0b", bytes: "x" }], "NUL"],
    "has the same path twice": [[file, file], "a path twice"],
  };
  it.each(Object.entries(hostile))(
    "and that %s is refused, and leaves nothing",
    async (_, [entries, why]) => {
      const before = onDisk();
      const sent = await send(archiveOf([{ name: "first", bytes: "first" }, ...entries]));
      expect([400, 413]).toContain(sent.status);
      expect(sent.error?.message).toContain(why);
      expect(onDisk()).toEqual(before);
    },
  );

  const good = tarOf(packageOf("good"));
  const broken: Record<string, Buffer> = {
    "is no zstd": good,
    "is nothing": Buffer.alloc(0),
    "is cut off": zstdCompressSync(good).subarray(0, -20),
    "has bytes behind its frame": Buffer.concat([zstdCompressSync(good), Buffer.from("junk")]),
    "has entries behind its end": zstdCompressSync(Buffer.concat([good, tarOf([file])])),
    "has no end": zstdCompressSync(good.subarray(0, -1024)),
    "expands a thousandfold": zstdCompressSync(Buffer.alloc(1.5 * 2 ** 30)),
  };
  it.each(Object.entries(broken))(
    "and that %s is refused, and leaves nothing",
    async (_, bytes) => {
      const before = onDisk();
      const sent = await send(bytes);
      expect([400, 413]).toContain(sent.status);
      expect(onDisk()).toEqual(before);
    },
  );

  it("may give files every bit of power: they arrive without", async () => {
    const entries = [
      { name: "root", mode: 0o4755, bytes: "x" },
      { name: "d", type: "5", mode: 0o1777 },
    ];
    const { layer } = await send(archiveOf(entries));
    const tree = treeInTar(zstdDecompressSync(await exported(layer as Layer)));
    expect(tree).toEqual({ root: "file 755 x", d: "directory 755" });
  });

  it("and whose sender leaves in the middle leaves nothing", async () => {
    const before = onDisk();
    const bytes = archiveOf([{ name: "big", bytes: Buffer.from(randomText(4e6)) }]);
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    const head = [
      "POST /api/layers?name=cut HTTP/1.1",
      "Host: 127.0.0.1",
      `Authorization: Bearer ${gateway.token}`,
      "Content-Type: application/zstd",
      `Content-Length: ${bytes.length}`,
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    const half = Promise.withResolvers<void>();
    socket.write(bytes.subarray(0, bytes.length / 2), () => half.resolve());
    await half.promise;
    // Something of it has come when the directory of what comes is no longer empty.
    await expect.poll(() => onDisk().length, { timeout: 10_000 }).toBeGreaterThan(before.length);
    socket.destroy();
    await expect.poll(onDisk, { timeout: 10_000 }).toEqual(before);
  });
});

/** Text that does not compress much. */
function randomText(bytes: number): string {
  let text = "";
  for (let n = 0; text.length < bytes; n += 1) {
    text += createHash("sha512").update(String(n)).digest("base64");
  }
  return text;
}

describe("a request to import", () => {
  it.each<[string, Record<string, string>, Record<string, string>, number]>([
    ["without a name", {}, type, 400],
    ["with control characters in its name", { name: "a\nb" }, type, 400],
    ["with a name without end", { name: "n".repeat(129) }, type, 400],
    ["with a processor and no libc", { name: "d", arch: "x64" }, type, 400],
    ["with a Python and no processor", { name: "d", python: "3.12" }, type, 400],
    ["with a member that nobody knows", { name: "d", size: "1" }, type, 400],
    ["as JSON", { name: "d" }, { "content-type": "application/json" }, 415],
    ["without a type", { name: "d" }, { "content-type": "" }, 415],
    ["compressed once more", { name: "d" }, { ...type, "content-encoding": "gzip" }, 415],
  ])("%s is refused before anything is stored", async (_, query, headers, status) => {
    const before = onDisk();
    expect((await send(archiveOf(packageOf("r")), query, headers)).status).toBe(status);
    expect(onDisk()).toEqual(before);
  });

  it("keeps what it says of what the layer runs on", async () => {
    const abi = { arch: "arm64", libc: "musl", python: "3.12" };
    const { layer } = await send(archiveOf(packageOf("abi")), { name: "abi", ...abi });
    expect(layer?.abi).toEqual(abi);
  });
});

describe("a workspace", () => {
  it("cannot tell a layer of another one from one that nobody has", async () => {
    const { id, digest } = await bring("secret");
    const blind = (body: unknown) => JSON.stringify(body).replaceAll(/(layer_|sha256:)\w+/g, "");
    for (const [theirs, none] of [
      [id, nobody],
      [digest, `sha256:${"0".repeat(64)}`],
    ]) {
      for (const [method, rest] of [
        ["GET", ""],
        ["GET", "/export"],
        ["GET", "/sbom"],
        ["POST", "/verify"],
        ["DELETE", ""],
      ] as const) {
        const found = await call(other, method, `/api/layers/${theirs}${rest}`);
        const absent = await call(other, method, `/api/layers/${none}${rest}`);
        expect([found.status, blind(found.body)]).toEqual([404, blind(absent.body)]);
      }
    }
    const { artifacts, layers } = clientOf(other);
    const wanted = { layers: [{ layer: digest, mount_path: "/opt/deps" }] };
    await expect(artifacts.create(wanted)).rejects.toMatchObject({ code: "not_found" });
    const listed = await Array.fromAsync(layers.all());
    expect(listed.map((layer) => layer.id)).not.toContain(id);
  });

  // C14.
  it("that brings a layer which another one has is not told so, and loses it alone", async () => {
    const mine = await bring("shared");
    const theirs = await send(archiveOf(packageOf("shared")), { name: "own" }, type, other);
    // The same answer as for a layer that nobody had: 201, their own name, their own time.
    expect(theirs).toMatchObject({ status: 201, layer: { digest: mine.digest, name: "own" } });
    await clientOf(other).layers.delete(mine.id);
    expect(await clientOf(gateway).layers.get(mine.id)).toEqual(mine);
    expect(await clientOf(gateway).layers.verify(mine.id)).toEqual({ ok: true });
  });

  it("opens its layers to tokens with the scope `runs`, and to no others", async () => {
    const { id } = await bring("scope");
    const approver = await tokenFor({ scopes: ["approve"] });
    const stranger = { ...gateway, token: "alk_nobody" };
    for (const [method, path] of [
      ["GET", "/api/layers"],
      ["POST", "/api/layers?name=x"],
      ["GET", `/api/layers/${id}`],
      ["GET", `/api/layers/${id}/sbom`],
      ["GET", `/api/layers/${id}/export`],
      ["POST", `/api/layers/${id}/verify`],
      ["DELETE", `/api/layers/${id}`],
    ] as const) {
      expect((await call(approver, method, path)).status, `${method} ${path}`).toBe(403);
      expect((await call(stranger, method, path)).status, `${method} ${path}`).toBe(401);
    }
  });
});

describe("a layer that somebody changed on disk", () => {
  it("is found by verify, refused by name from then on, and mended when it comes again", async () => {
    const layer = await bring("changed");
    const path = join(directoryOf(layer), "tree/tiny/__init__.py");
    chmodSync(path, 0o644);
    writeFileSync(path, "Changed");
    const { layers } = clientOf(gateway);
    const verdict = await layers.verify(layer.id);
    expect(verdict).toMatchObject({
      ok: false,
      reason: expect.stringContaining("tiny/__init__.py"),
    });
    for (const wanted of [layers.export(layer.id), layers.sbom(layer.id)]) {
      await expect(wanted).rejects.toMatchObject({
        ...{ code: "layer_unusable", status: 409 },
        message: expect.stringContaining(layer.id),
      });
    }
    await bring("changed");
    expect(await layers.verify(layer.id)).toEqual({ ok: true });
    expect(readFileSync(path, "utf8")).toBe("changed");
  });

  it("that is gone is refused by name, and there again when it comes again", async () => {
    const layer = await bring("gone");
    removeTree(directoryOf(layer));
    const { layers } = clientOf(gateway);
    await expect(layers.export(layer.id)).rejects.toMatchObject({
      ...{ code: "layer_unusable", message: expect.stringContaining(layer.id) },
    });
    expect(await layers.verify(layer.id)).toMatchObject({ ok: false });
    await bring("gone");
    expect(existsSync(directoryOf(layer))).toBe(true);
    expect(await layers.verify(layer.id)).toEqual({ ok: true });
  });
});
