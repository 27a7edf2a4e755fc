import { cpus, release, totalmem } from "node:os";

/** What the figures were measured on, in one sentence. */
export function machine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? "an unknown processor";
  const memory = Math.round(totalmem() / 1024 ** 3);
  const user = process.getuid?.() === 0 ? "as root" : "as an ordinary user";
  return (
    `${cores.length} cores of ${model}, ${memory} GiB, Linux ${release()} ${process.arch}, ` +
    `Node ${process.versions.node}, ${user}`
  );
}
