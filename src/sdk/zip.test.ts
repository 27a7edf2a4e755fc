/** Zips as clients write them, read by programs of others. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import { fromBufferPromise } from "yauzl";
import { bundlePathProblem, sortByPath } from "../contract/bundle.ts";
import { crc32 } from "./crc32.ts";
import { packZip, storedZipBytes, type ZipFile } from "./zip.ts";

const directory = mkdtempSync(join(tmpdir(), "airlock-zip-"));
afterAll(() => rmSync(directory, { recursive: true }));

const run = promisify(execFile);
const bytesOf = (text: string) => new TextEncoder().encode(text);
const pack = async (files: readonly ZipFile[]) =>
  Buffer.from(await (await packZip(files)).arrayBuffer());

const samples: ZipFile[] = [
  { path: "SKILL.md", mode: 0o644, bytes: bytesOf("# hi\n".repeat(100)) },
  { path: "bin/run.sh", mode: 0o755, bytes: bytesOf("#!/bin/sh\necho hi\n") },
  { path: "empty", mode: 0o644, bytes: bytesOf("") },
  { path: "unicode/café-🚀.txt", mode: 0o644, bytes: bytesOf("üñî") },
];

/** As yauzl reads them, which checks sizes and sums. */
async function unpack(zip: Buffer): Promise<ZipFile[]> {
  const opened = await fromBufferPromise(zip, { lazyEntries: true, strictFileNames: true });
  const files: ZipFile[] = [];
  for await (const entry of opened.eachEntry()) {
    const bytes = await buffer(await opened.openReadStreamPromise(entry));
    const mode = (entry.externalFileAttributes >>> 16) & 0o777;
    files.push({ path: entry.fileName, mode: mode as 0o644, bytes: new Uint8Array(bytes) });
  }
  return files;
}

describe("a zip", () => {
  it("gives back every file with its bytes and its mode, in the order that they had", async () => {
    const segment = fc.string({ unit: "binary", minLength: 1, maxLength: 12 });
    const path = fc
      .array(segment, { minLength: 1, maxLength: 4 })
      .map((segments) => segments.join("/"))
      .filter((text) => bundlePathProblem(text) === undefined);
    const file = fc.record({
      path,
      mode: fc.constantFrom(0o644 as const, 0o755 as const),
      // Some that deflate makes smaller, and some that it cannot.
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 300, size: "max" }),
        fc.nat(5000).map((length) => new Uint8Array(length).fill(65)),
      ),
    });
    const files = fc.uniqueArray(file, { selector: (one) => one.path, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(files, async (list) => {
        const sorted = sortByPath(list).map((one) => ({
          ...one,
          bytes: new Uint8Array(one.bytes),
        }));
        const zip = await pack(sorted);
        expect(zip.length).toBeLessThanOrEqual(storedZipBytes(sorted));
        expect(await unpack(zip)).toEqual(sorted);
      }),
      { numRuns: 150 },
    );
  });

  it("is unpacked by unzip, with modes", async () => {
    const zip = join(directory, "sample.zip");
    writeFileSync(zip, await pack(samples));
    const into = join(directory, "unzipped");
    await run("unzip", ["-q", zip, "-d", into], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
    for (const { path, mode, bytes } of samples) {
      expect(new Uint8Array(readFileSync(join(into, path)))).toEqual(bytes);
      expect(statSync(join(into, path)).mode & 0o111).toBe(mode & 0o111);
    }
  });

  it("passes the test of Python, which finds the same times on every machine", async () => {
    const zip = join(directory, "python.zip");
    writeFileSync(zip, await pack(samples));
    const program =
      "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n" +
      "print(json.dumps([[i.filename,i.date_time,i.external_attr>>16,i.file_size] for i in z.infolist()]))";
    const { stdout } = await run("python3", ["-c", program, zip]);
    expect(JSON.parse(stdout)).toEqual(
      samples.map(({ path, mode, bytes }) => [
        path,
        [1980, 1, 1, 0, 0, 0],
        0o100000 | mode,
        bytes.length,
      ]),
    );
  });

  it("has the same bytes whenever and wherever it is packed", async () => {
    const first = await pack(samples);
    vi.stubEnv("TZ", "Asia/Tokyo");
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2031-07-01T00:00:00Z") });
    try {
      expect((await pack(samples)).equals(first)).toBe(true);
    } finally {
      vi.useRealTimers();
      vi.unstubAllEnvs();
    }
  });

  it("stores its files where the runtime cannot deflate, or knows gzip only", async () => {
    const older = class {
      constructor(format: string) {
        if (format === "deflate-raw") throw new TypeError("unsupported");
      }
    };
    for (const known of [undefined, older]) {
      vi.stubGlobal("CompressionStream", known);
      try {
        const zip = await pack(samples);
        expect(zip.length).toBe(storedZipBytes(samples));
        expect(await unpack(zip)).toEqual(samples);
      } finally {
        vi.unstubAllGlobals();
      }
    }
    expect((await pack(samples)).length).toBeLessThan(storedZipBytes(samples));
  });

  it("has sums that others compute as well", () => {
    expect(crc32(bytesOf("123456789"))).toBe(0xcbf43926);
    expect(crc32(bytesOf(""))).toBe(0);
  });
});
