import { randomBytes } from "node:crypto";
import { afterAll, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { tempDirUntilExit } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { openBlobs } from "../content/content.ts";
import type { BundleEntry } from "../contract/bundle.ts";
import { refuseSecretsInBundles } from "./bundles.ts";

const log = openLog("silent");
const threads = openThreads({ log });
afterAll(() => threads.close());

it("looks for the secrets of a run in a thousand files without holding up anybody else", async () => {
  const dir = tempDirUntilExit("secrets-in-bundles");
  const blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  const env = Object.fromEntries(
    Array.from({ length: 64 }, (_, at) => [`SECRET_${at}`, randomBytes(30).toString("hex")]),
  );
  const { sha256 } = await blobs.put(Buffer.from("nothing of it"));
  const bad = await blobs.put(Buffer.from(`x${env.SECRET_63}x`));
  const files = (last: string): BundleEntry[] =>
    Array.from({ length: 1000 }, (_, at) => {
      return { path: `f${at}`, mode: 0o644, size: 1, sha256: at === 999 ? last : sha256 };
    });
  const contentHash = `sha256:${"0".repeat(64)}`;
  const look = (last: string) => {
    const bundles = { entries: async () => files(last) };
    const fileBundles = [{ name: "data", contentHash, sizeBytes: 1, fileCount: 1000 }];
    return refuseSecretsInBundles({ bundles, blobs }, { fileBundles }, { env });
  };
  const tookMs = await cpuMs(async () => {
    await look(sha256);
    await expect(look(bad.sha256)).rejects.toThrow(
      'files: "f999" of "data" holds the value of one',
    );
  });
  expect(tookMs).toBeLessThan(8_000);
}, 180_000);
