import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "./row.ts";

/** What a group of rows is given to work with. */
export interface Bench {
  /** Few rounds: enough to see that everything works, far too few to believe a figure. */
  quick: boolean;
  /** Peers may be installed and measured. */
  peers: boolean;
  /** A new directory that uids of runs can walk through; removed at the end. */
  newDirectory(name: string): string;
  /** Progress, for people. */
  say(text: string): void;
}

/** Rows that are measured together, because they share a floor or a gateway. */
export interface Group {
  name: string;
  run(bench: Bench): Promise<Row[]>;
}

/** Opens the directories of one benchmark; `close` removes them. */
export function openDirectories(): { newDirectory(name: string): string; close(): void } {
  const made: string[] = [];
  return {
    newDirectory(name) {
      const path = join(tmpdir(), `airlock-bench-${name}-${randomUUID()}`);
      mkdirSync(path);
      chmodSync(path, 0o711);
      made.push(path);
      return path;
    },
    close() {
      for (const path of made) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
