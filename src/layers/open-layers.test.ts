/** Layers from end to end, and layers that somebody changed: D01-D04 and D11 of the catalogue of attacks. */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads, type Threads } from "../base/threads.ts";
import { openRoot } from "../base/tree.ts";
import { layerId } from "../contract/layer.ts";
import { syncFilesystem } from "../sandbox/sandbox.ts";
import { type LayerTrees, openLayers } from "./layers.ts";
import { removeSealed } from "./places.ts";

const never = new AbortController().signal;

let dataDir: string;
let threads: Threads;
let layers: LayerTrees;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "airlock-open-layers-"));
  threads = openThreads({ log: openLog("silent") });
  layers = start();
});
afterEach(async () => {
  await threads.close();
  removeSealed(dataDir);
});

/** Another gateway on the same directory, when the one before has ended. */
function start(): LayerTrees {
  const log = openLog("silent");
  return openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });
}

async function captured(): Promise<{ digest: string; tree: string }> {
  const run = join(dataDir, "run");
  mkdirSync(join(run, "tree/lib"), { recursive: true });
  writeFileSync(join(run, "tree/lib/a.py"), "a = 1\n");
  writeFileSync(join(run, "tree/lib/b.py"), "b = 2\n");
  writeFileSync(join(run, "tree/large"), Buffer.alloc(3e6, "large"));
  symlinkSync("lib/a.py", join(run, "tree/link"));
  const root = openRoot(run);
  try {
    const published = await layers.capture({ root, path: "tree" }, never);
    if (!published.ok) throw new Error(published.reason);
    const { digest } = published.layer;
    return { digest, tree: join(dataDir, "layers", digest.slice(7), "tree") };
  } finally {
    closeSync(root);
  }
}

async function opens(digest: string): Promise<string> {
  try {
    (await layers.open(digest)).release();
    return "opened";
  } catch (error) {
    expect(error).toMatchObject({
      code: "layer_unusable",
      message: expect.stringContaining(layerId(digest)),
      details: { digest, layer: layerId(digest) },
    });
    return (error as { details: { reason: string } }).details.reason;
  }
}

/** Without the times of anything that lies above showing it. */
function quietly(path: string, change: () => void): void {
  const { atime, mtime } = statSync(path);
  change();
  utimesSync(path, atime, mtime);
}

it("a layer can be captured, opened, listed, packed, imported elsewhere, described and swept", async () => {
  const { digest, tree } = await captured();
  expect(layers.list()).toEqual([digest]);
  const opened = await layers.open(digest);
  expect(opened.tree).toBe(tree);
  expect(readFileSync(join(opened.tree, "link"), "utf8")).toBe("a = 1\n");
  const paths = (await layers.entries(digest)).map(({ path }) => path.toString());
  expect(paths).toEqual(["large", "lib", "lib/a.py", "lib/b.py", "link"]);
  expect((await layers.sbom(digest)).metadata.component.version).toBe(digest);
  const image = await layers.image(digest, () => undefined, { compression: "gzip" });
  expect(image.mediaType).toContain("gzip");
  const archive: Buffer[] = [];
  for await (const piece of layers.pack(digest)) archive.push(piece);
  const late = { keep: new Set<string>(), before: Date.now() + 1000 };
  expect(await layers.sweep(late, never)).toEqual([]);
  opened.release();
  expect(await layers.sweep(late, never)).toEqual([digest]);
  expect(layers.list()).toEqual([]);
  expect(await opens(digest)).toBe("it is not on the disk of the gateway");
  const source = (async function* () {
    yield* archive;
  })();
  const options = { expected: digest, archiveBytes: 1e7 };
  expect(await layers.import(source, options, never)).toMatchObject({ digest, existed: false });
  expect(await opens(digest)).toBe("opened");
  expect(await layers.verify(digest)).toEqual({ ok: true });
});

describe("a layer that somebody changed is refused and named, and stays refused after a restart", () => {
  const changes: [string, (tree: string) => void, string][] = [
    [
      "one bit of a file, and its times put back",
      (tree) => {
        const path = join(tree, "large");
        const { atime, mtime } = statSync(path);
        const bytes = readFileSync(path);
        bytes[1_500_000] = (bytes[1_500_000] ?? 0) ^ 1;
        chmodSync(path, 0o644);
        writeFileSync(path, bytes);
        chmodSync(path, 0o444);
        utimesSync(path, atime, mtime);
      },
      '"large" has other content',
    ],
    [
      "a file that is cut off",
      (tree) => {
        chmodSync(join(tree, "large"), 0o644);
        truncateSync(join(tree, "large"), 10);
        chmodSync(join(tree, "large"), 0o444);
      },
      '"large" has 10 bytes, expected 3000000',
    ],
    [
      "a file with more at its end",
      (tree) => {
        chmodSync(join(tree, "large"), 0o644);
        appendFileSync(join(tree, "large"), "x");
        chmodSync(join(tree, "large"), 0o444);
      },
      '"large" has 3000001 bytes, expected 3000000',
    ],
    [
      "a tree that became a symlink to a copy of it",
      (tree) => {
        renameSync(tree, join(tree, "../moved"));
        symlinkSync("moved", tree);
      },
      "its tree is missing",
    ],
    [
      "two files that changed places",
      (tree) => {
        chmodSync(join(tree, "lib"), 0o755);
        renameSync(join(tree, "lib/a.py"), join(tree, "lib/c.py"));
        renameSync(join(tree, "lib/b.py"), join(tree, "lib/a.py"));
        renameSync(join(tree, "lib/c.py"), join(tree, "lib/b.py"));
        chmodSync(join(tree, "lib"), 0o555);
      },
      '"lib/a.py" has other content',
    ],
    [
      "a file that became a symlink to the same content",
      (tree) => {
        chmodSync(join(tree, "lib"), 0o755);
        renameSync(join(tree, "lib/a.py"), join(tree, "../aside"));
        symlinkSync("../../aside", join(tree, "lib/a.py"));
        chmodSync(join(tree, "lib"), 0o555);
      },
      '"lib/a.py" is no file',
    ],
    [
      "a file that became a directory",
      (tree) => {
        chmodSync(join(tree, "lib"), 0o755);
        rmSync(join(tree, "lib/a.py"));
        mkdirSync(join(tree, "lib/a.py"), { mode: 0o555 });
        chmodSync(join(tree, "lib"), 0o555);
      },
      '"lib/a.py" is no file',
    ],
    [
      "a file that has another name elsewhere",
      (tree) => linkSync(join(tree, "large"), join(tree, "../other-name")),
      '"large" has another name somewhere',
    ],
    [
      "a file that was added",
      (tree) =>
        quietly(tree, () => {
          chmodSync(tree, 0o755);
          writeFileSync(join(tree, "sitecustomize.py"), "");
          chmodSync(tree, 0o555);
        }),
      "it has more than the 5 entries of its manifest",
    ],
    [
      "a file that was made executable",
      (tree) => chmodSync(join(tree, "large"), 0o555),
      '"large" has the mode 555, expected 444',
    ],
    [
      "a link that leads elsewhere",
      (tree) => {
        chmodSync(tree, 0o755);
        rmSync(join(tree, "link"));
        symlinkSync("/etc/passwd", join(tree, "link"));
        lutimesSync(join(tree, "link"), 1, 1);
        chmodSync(tree, 0o555);
      },
      '"link" leads elsewhere',
    ],
    [
      "a manifest that says something else",
      (tree) => {
        chmodSync(join(tree, "../manifest"), 0o600);
        writeFileSync(join(tree, "../manifest"), "airlock-layer 1\n");
      },
      "its manifest is not the one that names it",
    ],
    [
      "a manifest that is gone",
      (tree) => rmSync(join(tree, "../manifest")),
      "its manifest is missing",
    ],
  ];
  it.each(changes)("%s", async (_what, change, reason) => {
    const { digest, tree } = await captured();
    change(tree);
    expect(await opens(digest)).toBe(reason);
    layers = start();
    expect(await opens(digest)).toBe(reason);
    expect(await layers.verify(digest)).toEqual({ ok: false, reason });
    expect(await captured()).toEqual({ digest, tree });
    expect(await opens(digest)).toBe("opened");
  });

  it("also when it happened while no gateway was there, and when it was in use before", async () => {
    const { digest, tree } = await captured();
    expect(await opens(digest)).toBe("opened");
    layers = start();
    chmodSync(join(tree, "lib/b.py"), 0o644);
    writeFileSync(join(tree, "lib/b.py"), "b = 3\n");
    chmodSync(join(tree, "lib/b.py"), 0o444);
    expect(await opens(digest)).toBe('"lib/b.py" has other content');
  });
});

it("a layer that was only touched, as a restored backup is, is read once and used", async () => {
  const { digest, tree } = await captured();
  const fingerprint = join(tree, "../fingerprint");
  const before = readFileSync(fingerprint, "utf8");
  chmodSync(join(tree, "large"), 0o444);
  expect(await opens(digest)).toBe("opened");
  expect(readFileSync(fingerprint, "utf8")).not.toBe(before);
  rmSync(fingerprint);
  layers = start();
  expect(await opens(digest)).toBe("opened");
  expect(existsSync(fingerprint)).toBe(true);
});

it("a quarantine ends when all of the layer is read and whole", async () => {
  const { digest, tree } = await captured();
  chmodSync(join(tree, "large"), 0o644);
  expect(await opens(digest)).toContain("has the mode 644");
  chmodSync(join(tree, "large"), 0o444);
  expect(await opens(digest)).toContain("has the mode 644");
  expect(await layers.verify(digest)).toEqual({ ok: true });
  expect(await opens(digest)).toBe("opened");
});

it("a layer that is found damaged while it is packed is refused from then on", async () => {
  const { digest, tree } = await captured();
  expect(await opens(digest)).toBe("opened");
  const pack = async () => {
    let first = true;
    for await (const _piece of layers.pack(digest)) {
      if (!first) continue;
      first = false;
      chmodSync(join(tree, "lib/b.py"), 0o644);
      writeFileSync(join(tree, "lib/b.py"), "b = 3\n");
    }
  };
  await expect(pack()).rejects.toMatchObject({ code: "digest_mismatch" });
  expect(await opens(digest)).toContain("lib/b.py");
});

it("a damaged layer that is in use is replaced by a capture, and its old tree stays until it is let go", async () => {
  const { digest, tree } = await captured();
  const user = await layers.open(digest);
  const old = openRoot(tree);
  chmodSync(join(tree, "large"), 0o644);
  await captured();
  expect(readFileSync(`/proc/self/fd/${old}/lib/a.py`, "utf8")).toBe("a = 1\n");
  expect(await opens(digest)).toBe("opened");
  user.release();
  const incoming = join(dataDir, "layers/incoming");
  await expect.poll(() => readdirSync(incoming)).toEqual([]);
  expect(existsSync(`/proc/self/fd/${old}/lib/a.py`)).toBe(false);
  closeSync(old);
});

it("what is no digest leads nowhere", async () => {
  const hex = (await captured()).digest.slice("sha256:".length);
  const spellings = [hex, `SHA256:${hex}`, `sha512:${hex}`, `sha256:${hex}0`, `sha256:${hex}\n`];
  const others = ["sha256:../../etc", `sha256:${hex.slice(1)}`, "", "layer_0", `sha256: ${hex}`];
  const upper = `sha256:${hex.slice(0, 63)}A`;
  for (const digest of [...spellings, ...others, upper]) {
    await expect(layers.open(digest)).rejects.toMatchObject({ code: "layer_unusable" });
    await expect(layers.verify(digest)).resolves.toMatchObject({ ok: false });
  }
});

it("the scrubber tells of a damaged layer, and nobody can use it afterwards", async () => {
  const { digest, tree } = await captured();
  expect(await opens(digest)).toBe("opened");
  chmodSync(join(tree, "large"), 0o644);
  const stop = new AbortController();
  const found: string[] = [];
  await layers.scrub(stop.signal, (damaged, reason) => {
    found.push(damaged, reason);
    stop.abort();
  });
  expect(found).toEqual([digest, '"large" has the mode 644, expected 444']);
  expect(await opens(digest)).toBe(found[1]);
});
