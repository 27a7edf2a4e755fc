/**
 * Runs that use up disk: bytes, inodes, depth, and outputs that are larger than they look. Each
 * ends by name, the run beside it does not notice, and the disk is given back.
 */
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { identities } from "./support/escape-identities.ts";
import { type HostileHost, isSoak, MiB, openHostileHost, timeout } from "./support/hostile-host.ts";
import { readZip } from "./support/read-zip.ts";

const python = (source: string) => `python3 - <<'END'\n${source}\nEND\n`;
const places = ["/workspace", "/tmp", "/cache"];
const diskBytes = 16 * MiB;

/** No place alone is over the limit: it is their sum that is. */
const everywhere = `for i in 0 1 2 3; do
  for place in ${places.join(" ")}; do head -c 1750000 /dev/zero > $place/$i; done
done; sleep 60`;
const bytes = (place: string) =>
  `i=0; while head -c 2000000 /dev/zero > ${place}/$i; do i=$((i+1)); sleep 0.01; done`;
const deleted = (place: string) =>
  `exec 3>${place}/gone; rm ${place}/gone; while head -c 1000000 /dev/zero >&3; do :; done; sleep 60`;
/** Making a file takes a busy disk half a millisecond, so there is one place of it in the short form. */
const emptyFiles = (place: string) =>
  python(`
import os
for index in range(1_000_000):
    if index % 1000 == 0: os.mkdir("${place}/d%d" % (index // 1000))
    os.close(os.open("${place}/d%d/%d" % (index // 1000, index), os.O_CREAT))`);

describe.each(identities)("with the gateway as $name, a run", { timeout }, (identity) => {
  let host: HostileHost;
  beforeAll(async () => {
    host = await openHostileHost(identity);
  });
  afterAll(() => host.close());

  it.each([
    ["bytes", "all places", everywhere] as const,
    ...(isSoak ? places : []).map((place) => ["bytes", place, bytes(place)] as const),
    ["deleted files", "/tmp", deleted("/tmp")] as const,
    ...(isSoak ? places : ["/tmp"]).map((place) => {
      return ["empty files", place, emptyFiles(place)] as const;
    }),
  ])("is ended when it fills its disk with %s in %s", async (_, __, command) => {
    const { run, results, defects } = await host.endure({
      commands: [command, "echo after"],
      limits: { diskBytes, callSeconds: 50 },
    });
    expect(defects).toEqual([]);
    expect(run).toMatchObject({ status: "terminated", stop_reason: "disk_limit" });
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({ ok: false, error_kind: "disk_limit" });
  });

  it("digs as deep as it likes: what it dug is removed, and none of it is read", async () => {
    const dig = python(`
import os
for top in [${isSoak ? '"/workspace", "/tmp", "/cache", ' : ""}"/workspace/out"]:
    os.chdir(top)
    for level in range(3000):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    open("treasure", "w").write("deep")
print("dug")`);
    const { run, ref, results, defects, history } = await host.endure({
      commands: [dig, "echo after"],
      outputDirs: ["/workspace/out"],
      limits: { diskBytes: 256 * MiB, callSeconds: 50 },
    });
    expect(defects).toEqual([]);
    expect(run.status).toBe("succeeded");
    expect(results.map(({ stdout }) => stdout)).toEqual(["dug\n", "after\n"]);
    expect(await ref.outputs()).toEqual([]);
    const captured = history.findLast((event) => isEvent(event, "outputs.captured"));
    expect(captured?.data.missing.map(({ reason }) => reason)).toEqual(["too_deep"]);
  });

  it("makes more entries than are read: outputs, what is missing and listings are cut", async () => {
    const count = isSoak ? 30_000 : 1500;
    const make = isSoak ? "os.close(os.open(name, os.O_CREAT))" : "os.symlink('x', name)";
    const many = python(`
import os
for index in range(${count}):
    name = "/workspace/out/a-name-that-is-not-short-%d" % index
    ${make}
print("made")`);
    const { run, ref, results, defects, history } = await host.endure({
      commands: [many, "ls -lR /workspace"],
      outputDirs: ["/workspace/out"],
      limits: { diskBytes: 256 * MiB, callSeconds: 50 },
      ...(isSoak ? { growthBytes: 256 * MiB, keptBytes: 32 * MiB } : {}),
    });
    expect(defects).toEqual([]);
    expect(run.status).toBe("succeeded");
    expect(results[0]).toMatchObject({ ok: true, stdout: "made\n" });
    expect(Buffer.byteLength(results[1]?.stdout ?? "")).toBeLessThan(34 * 1024);
    expect(results[1]?.stdout).toContain("bytes are left out here");
    expect(await ref.outputs()).toHaveLength(isSoak ? 10_000 : 0);
    const captured = history.findLast((event) => isEvent(event, "outputs.captured"));
    const missing = captured?.data.missing ?? [];
    expect(missing).toHaveLength(isSoak ? 1 : 1001);
    expect(missing.at(-1)?.reason).toBe("too_many_files");
  });

  it("makes outputs that are small and look huge: nothing is unpacked, no hole is stored", async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MiB));
    const honest = randomBytes(1000);
    const { run, ref, results, defects } = await host.endure({
      commands: [
        "cd /workspace/out && cp ../bomb.gz ../honest .",
        "truncate -s 10T /workspace/out/sparse; echo $?",
      ],
      files: [
        { path: "bomb.gz", bytes: bomb },
        { path: "honest", bytes: honest },
      ],
      outputDirs: ["/workspace/out"],
      limits: { diskBytes },
    });
    expect(defects).toEqual([]);
    expect(run.status).toBe("succeeded");
    // A file may have no more bytes than the run has disk, however little place they take.
    expect(results[1]?.stdout).toBe("153\n");
    const zip = await readZip(await ref.download());
    expect(zip.get("outputs/bomb.gz")?.equals(bomb)).toBe(true);
    expect(zip.get("outputs/honest")?.equals(honest)).toBe(true);
    expect(zip.get("outputs/sparse")?.length).toBe(0);
  });
});
