import { DatabaseSync } from "node:sqlite";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/**
 * Checks every page and index of the database file, in a thread of its own: on a large file it takes seconds, in which
 * the gateway would answer nobody. Returns what is wrong in SQLite's words, at most 100 lines.
 */
export function checkIntegrity(path: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: { integrityOf: path } });
    thread.once("message", (lines: string[]) => resolve(lines));
    thread.once("error", reject);
    thread.once("exit", () => reject(new Error("The integrity check ended without an answer")));
  });
}

function check(path: string): string[] {
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    try {
      const rows = db.prepare("PRAGMA integrity_check(100)").all();
      return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
    } finally {
      db.close();
    }
  } catch (error) {
    // A file too damaged to be checked is the finding, not a failure of the check.
    return [error instanceof Error ? error.message : String(error)];
  }
}

if (!isMainThread && workerData && "integrityOf" in workerData) {
  parentPort?.postMessage(check(workerData.integrityOf));
}
