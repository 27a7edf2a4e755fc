import type { Artifact } from "../contract/artifact.ts";
import type { Abi } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import { entrypointStart } from "./entrypoint.ts";
import type { LayerEnvironment } from "./layer-environment.ts";

/** An image's name for the processors that Node and ELF files name otherwise. */
const byNode: Record<string, string> = { x64: "amd64", arm64: "arm64" };
const byElf: Record<number, string> = { 62: "amd64", 183: "arm64" };

/** The first bytes of an entrypoint that say how it is started and for which processor it is. */
export const headBytes = 20;

const systemPath = [
  ...["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"],
];

export interface ImageParts {
  artifact: Artifact;
  architecture: string;
  environment: LayerEnvironment;
  /** The first bytes of the entrypoint that the image starts; undefined when the artifact has none. */
  head: Buffer | undefined;
  diffIds: readonly string[];
}

/**
 * The configuration of an image. An image starts one program, so of several entrypoints it is the first in byte order.
 * No times and no names of who built it: the same artifact gives the same image.
 */
export function imageConfig(parts: ImageParts): object {
  const { artifact, architecture, environment, head, diffIds } = parts;
  const [entrypoint] = artifact.entrypoints;
  const path = `/tmp/${entrypoint}`;
  const start = head === undefined ? undefined : entrypointStart(path, head);
  const env = [`PATH=${[...environment.PATH, ...systemPath].join(":")}`];
  for (const name of ["PYTHONPATH", "NODE_PATH"] as const) {
    if (environment[name].length > 0) env.push(`${name}=${environment[name].join(":")}`);
  }
  for (const [name, value] of Object.entries(environment.variables)) env.push(`${name}=${value}`);
  return {
    created: "1970-01-01T00:00:00Z",
    architecture,
    os: "linux",
    config: {
      Env: env,
      ...(start === undefined ? {} : { Entrypoint: start.ok ? start.words : [path] }),
      WorkingDir: "/tmp",
      Labels: { "airlock.artifact": artifact.id, "airlock.digest": artifact.digest },
    },
    rootfs: { type: "layers", diff_ids: diffIds },
  };
}

/**
 * The processor that an image is for: what its layers were built on, else what its entrypoints were compiled for, else
 * this machine's, for what runs anywhere. Throws `invalid_request` when they contradict each other or have no name in images.
 */
export function architectureOf(abis: readonly Abi[], heads: readonly Buffer[]): string {
  const named = new Set(abis.map(({ arch }) => byNode[arch] ?? refuse(arch)));
  for (const head of heads) {
    if (head.length < headBytes || head.toString("latin1", 0, 4) !== "\x7fELF") continue;
    const machine = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
    named.add(byElf[machine] ?? refuse(`ELF machine ${machine}`));
  }
  const [first = byNode[process.arch] ?? refuse(process.arch), ...others] = named;
  if (others.length === 0) return first;
  const all = [first, ...others].join(" and ");
  throw new Problem("invalid_request", `Cannot make one image of parts for ${all}`);
}

function refuse(arch: string): never {
  const message = `Cannot make an image for the processor ${JSON.stringify(arch)}: expected x64 or arm64`;
  throw new Problem("invalid_request", message, { arch });
}
