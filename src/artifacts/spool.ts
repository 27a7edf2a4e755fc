import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../base/log.ts";

/** Where an export writes down what it must know the size and the digest of before it can send it. */
export interface Spool {
  /** A new, empty directory that only the gateway can enter; `remove` takes it away with all in it. */
  open(): Promise<{ path: string; remove(): Promise<void> }>;
}

/** Opens `<data>/exports`. An export does not outlive its connection, so all that is there at the start is left over. */
export function openSpool(dataDir: string, log: Log): Spool {
  const root = join(dataDir, "exports");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
  return {
    async open() {
      const path = join(root, randomUUID());
      await mkdir(path, { mode: 0o700 });
      return {
        path,
        async remove() {
          await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
            // The client has what it asked for; the next start removes the rest.
            log.error({ err: error, path }, "artifacts.spool_left");
          });
        },
      };
    },
  };
}
