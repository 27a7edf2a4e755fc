import { cpus, loadavg, release, totalmem } from "node:os";

/** What the figures were measured on, in one sentence. */
export function machine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? "an unknown processor";
  const memory = Math.round(totalmem() / 1024 ** 3);
  const user = process.getuid?.() === 0 ? "as root" : "as an ordinary user";
  const load = (loadavg()[1] ?? 0).toFixed(1);
  return (
    `${cores.length} cores of ${model}, ${memory} GiB, Linux ${release()} ${process.arch}, ` +
    `Node ${process.versions.node}, ${user}; the load average was ${load}`
  );
}

/** Whether far more wants to run than there are cores, so that times say little. Our own part is about one per core. */
export function isBusy(): boolean {
  return (loadavg()[1] ?? 0) > 2 * cpus().length;
}
