import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";

/** Where an export writes down what it must know the size and the digest of before it can send it. */
export interface Spool {
  /**
   * A new, empty directory that only the gateway can enter; `remove` takes it away with all in it. Throws
   * `too_many_requests` when the workspace has as many as it may: what is in them is disk that others need.
   */
  open(workspaceId: string): Promise<{ path: string; remove(): Promise<void> }>;
}

/** Opens `<data>/exports`. An export does not outlive its connection, so all that is there at the start is left over. */
export function openSpool(dataDir: string, log: Log): Spool {
  const root = join(dataDir, "exports");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
  const held = new Map<string, number>();
  const count = (workspaceId: string, by: number) => {
    const now = (held.get(workspaceId) ?? 0) + by;
    if (now === 0) held.delete(workspaceId);
    else held.set(workspaceId, now);
  };
  return {
    async open(workspaceId) {
      if ((held.get(workspaceId) ?? 0) >= limits.imagesAtOnce) throw tooMany();
      count(workspaceId, 1);
      const path = join(root, randomUUID());
      let removed: Promise<void> | undefined;
      const remove = async () => {
        await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
          // The client has what it asked for; the next start removes the rest.
          log.error({ err: error, path }, "artifacts.spool_left");
        });
        count(workspaceId, -1);
      };
      const place = { path, remove: () => (removed ??= remove()) };
      try {
        await mkdir(path, { mode: 0o700 });
        return place;
      } catch (error) {
        await place.remove();
        throw error;
      }
    },
  };
}

function tooMany(): Problem {
  const cap = limits.imagesAtOnce;
  const message = `This workspace has ${cap} images that are being made or sent: expected ${cap} at most; ask again in 10 s`;
  return new Problem("too_many_requests", message, { cap, retryAfterSeconds: 10 });
}
