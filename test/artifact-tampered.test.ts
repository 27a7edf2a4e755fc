/** An artifact that is not what its digest says is not run: what an operator finds changed on the disk is named. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CapturedLayer } from "../src/contract/layer.ts";
import { clientOf } from "./support/airlock-api.ts";
import { buildArtifact, captureFiles, write } from "./support/artifacts-in-runs.ts";
import type { CallAnswer, DirectedRun } from "./support/directed-run.ts";
import { openPackageHost, type PackageHost } from "./support/package-host.ts";

interface Made {
  id: string;
  layer: CapturedLayer;
  /** Its one file, by digest. */
  file: string;
}

let host: PackageHost;
let run: DirectedRun;
const made = new Map<string, Made>();

/** Where the gateway keeps a blob. */
function blob(sha256: string): string {
  const hex = sha256.slice("sha256:".length);
  return join(host.dataDir, "blobs", hex.slice(0, 2), hex.slice(2));
}

/** Where the gateway keeps a file of a layer. */
function layerFile({ layer }: Made): string {
  return join(host.dataDir, "layers", layer.digest.slice("sha256:".length), "tree/l.txt");
}

function sql(statement: string, ...values: string[]): void {
  const db = new DatabaseSync(join(host.dataDir, "airlock.db"));
  try {
    expect(db.prepare(statement).run(...values).changes).toBe(1);
  } finally {
    db.close();
  }
}

function overwrite(path: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = change(readFileSync(path));
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

const flipped = (bytes: Buffer) => {
  const other = Buffer.from(bytes);
  other[0] = (other[0] ?? 0) ^ 1;
  return other;
};

const changeManifest = (change: string) => (one: Made) =>
  sql(`UPDATE artifacts SET manifest = ${change} WHERE id = ?`, one.id);

interface Case {
  what: string;
  harm: (one: Made, other: Made) => void;
  /** What the answer names. */
  names: (one: Made) => string;
}

const cases: Case[] = [
  {
    what: "a layer that is missing",
    harm: (one) => {
      const directory = dirname(dirname(layerFile(one)));
      renameSync(directory, `${directory}.away`);
    },
    names: ({ layer }) => layer.layer_id,
  },
  {
    what: "a layer with a changed file",
    harm: (one) => overwrite(layerFile(one), flipped),
    names: ({ layer }) => layer.layer_id,
  },
  {
    what: "a layer with one file more",
    harm: (one) => {
      const tree = dirname(layerFile(one));
      chmodSync(tree, 0o755);
      writeFileSync(join(tree, "more.txt"), "");
    },
    names: ({ layer }) => layer.layer_id,
  },
  {
    what: "a layer with a file replaced by a link",
    harm: (one) => {
      chmodSync(dirname(layerFile(one)), 0o755);
      rmSync(layerFile(one));
      symlinkSync("/etc/hostname", layerFile(one));
    },
    names: ({ layer }) => layer.layer_id,
  },
  {
    what: "a layer of another kind of host",
    harm: ({ layer }) =>
      sql(
        "UPDATE layers SET abi = ? WHERE digest = ?",
        '{"arch":"mips","libc":"glibc"}',
        layer.digest,
      ),
    names: ({ layer }) => `${layer.layer_id} (${layer.name}): it was built for arch mips`,
  },
  {
    what: "a layer of another Python",
    harm: ({ layer }) => {
      const abi = JSON.stringify({ arch: process.arch, libc: "glibc", python: "2.7" });
      sql("UPDATE layers SET abi = ? WHERE digest = ?", abi, layer.digest);
    },
    names: ({ layer }) => `${layer.layer_id} (${layer.name}): it was built for python 2.7`,
  },
  {
    what: "a file with one bit flipped",
    harm: ({ file }) => overwrite(blob(file), flipped),
    names: ({ file }) => file,
  },
  {
    what: "a file that was cut short",
    harm: ({ file }) => {
      chmodSync(blob(file), 0o644);
      truncateSync(blob(file), 3);
    },
    names: ({ file }) => file,
  },
  {
    what: "a file that has grown",
    harm: ({ file }) => overwrite(blob(file), (bytes) => Buffer.concat([bytes, bytes])),
    names: ({ file }) => file,
  },
  {
    what: "a file replaced by another valid one",
    harm: ({ file }, other) => overwrite(blob(file), () => readFileSync(blob(other.file))),
    names: ({ file }) => file,
  },
  {
    what: "a file replaced by a link",
    harm: ({ file }, other) => {
      rmSync(blob(file));
      symlinkSync(blob(other.file), blob(file));
    },
    names: ({ file }) => file,
  },
  {
    what: "a file replaced by a directory",
    harm: ({ file }) => {
      rmSync(blob(file));
      mkdirSync(blob(file));
    },
    names: ({ file }) => file,
  },
  {
    what: "a file that is gone",
    harm: ({ file }) => rmSync(blob(file)),
    names: ({ file }) => file,
  },
  {
    what: "a manifest that names another entrypoint",
    harm: changeManifest(`json_set(manifest, '$.entrypoints', json('["x"]'))`),
    names: ({ id }) => id,
  },
  {
    what: "a manifest with a field that is none",
    harm: changeManifest(`json_set(manifest, '$.files[0].sha256', 'nonsense')`),
    names: ({ id }) => id,
  },
  {
    what: "a manifest with a field too many",
    harm: changeManifest(`json_set(manifest, '$.files[0].owner', 'root')`),
    names: ({ id }) => id,
  },
  {
    what: "a manifest that is no JSON",
    harm: changeManifest("substr(manifest, 2)"),
    names: ({ id }) => id,
  },
];
const whole = "nothing that was changed";

beforeAll(async () => {
  host = await openPackageHost();
  const maker = await host.open({ hosts: null });
  for (const what of [...cases.map((one) => one.what), whole]) {
    const name = `${what.replaceAll(" ", "-")}.sh`;
    await write(maker, { [name]: `echo ran: ${what}; cat /tmp/deps/l.txt` });
    const layer = await captureFiles(maker, { path: "/tmp/deps" }, { "l.txt": what });
    const built = await buildArtifact(maker, {
      ...{ inputs: [name], entrypoints: [name], layers: [layer] },
    });
    const [file] = built.files as { handle: string }[];
    made.set(what, { id: built.artifact_id, layer, file: file?.handle ?? "" });
  }
  await maker.end();
  await host.gateway.stop();
  const control = made.get(whole) as Made;
  for (const { what, harm } of cases) harm(made.get(what) as Made, control);
  await host.restart();
  run = await host.open({ hosts: null });
}, 180_000);
afterAll(async () => {
  await run?.end();
  await host?.close();
});

const start = (what: string): Promise<CallAnswer> =>
  run.call("artifact_exec", {
    artifact_id: made.get(what)?.id,
    entrypoint: `${what.replaceAll(" ", "-")}.sh`,
  });

describe("an artifact is not run", () => {
  it.each(cases)("with $what, which is named", async ({ what, names }) => {
    const answer = await start(what);
    expect(answer, JSON.stringify(answer)).toMatchObject({ ok: false, error_type: "resource" });
    expect(answer.message).toContain(names(made.get(what) as Made));
    expect(answer.stdout).toBeUndefined();
    const shell = await run.call("sandbox_exec", {
      ...{ artifact_id: made.get(what)?.id, command: "echo ran" },
    });
    expect(shell).toMatchObject({ ok: false, error_type: "resource" });
    // The control, which also shows the guard that this run goes on.
    expect(await start(whole)).toMatchObject({ ok: true, stdout: `ran: ${whole}\n${whole}` });
  });

  it("by a caller of the API either: that run fails with the reason", async () => {
    const what = "a layer that is missing";
    const { id, layer } = made.get(what) as Made;
    const entrypoint = `${what.replaceAll(" ", "-")}.sh`;
    const failed = await clientOf(host.gateway).artifacts.exec(id, { entrypoint });
    const ended = await failed.wait();
    expect(ended).toMatchObject({ status: "failed", stop_reason: "program_failed" });
    expect(ended.message).toContain(layer.layer_id);
  });
});
