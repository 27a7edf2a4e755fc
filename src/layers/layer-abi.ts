import { closeSync, readSync } from "node:fs";
import { openRoot } from "../base/below.ts";
import type { Abi } from "../contract/layer.ts";
import { openEntry } from "./entry-file.ts";
import type { LayerEntry } from "./layer-entry.ts";

const elf = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** Enough to know a tree of programs by; a layer may hold a million files that can be run. */
const headsRead = 2_000;

/**
 * What a layer needs of a host, of all that `host` is: nothing (null) when it holds no compiled code. Told by names
 * (`.so`, `.node`, `cpython-311`, `lib/python3.11`) and by how files that can be run begin.
 */
export function layerAbi(tree: string, entries: readonly LayerEntry[], host: Abi): Abi | null {
  let [compiled, python, node] = [false, false, false];
  let heads = 0;
  const root = openRoot(tree);
  try {
    for (const entry of entries) {
      const path = entry.path.toString("latin1");
      if (/(?:^|\/)lib\/python\d+\.\d+(?:\/|$)/.test(path)) python = true;
      if (entry.type !== "file") continue;
      if (/\.cpython-\d+[^/]*\.so$/.test(path)) python = true;
      if (/\.node$/.test(path)) node = true;
      if (/\.(?:so|node|dylib|a)(?:\.[\d.]+)?$/.test(path)) compiled = true;
      else if (entry.executable && !compiled && heads < headsRead) {
        heads += 1;
        compiled = isElf(root, entry.path);
      }
    }
  } finally {
    closeSync(root);
  }
  if (!compiled && !python && !node) return null;
  const { arch, libc } = host;
  return {
    ...{ arch, libc },
    ...(python && host.python !== undefined ? { python: host.python } : {}),
    ...(node && host.node !== undefined ? { node: host.node } : {}),
  };
}

function isElf(root: number, path: Buffer): boolean {
  const fd = openEntry(root, path);
  try {
    const head = Buffer.alloc(elf.length);
    readSync(fd, head, 0, head.length, 0);
    return head.equals(elf);
  } finally {
    closeSync(fd);
  }
}

/** What of a layer's needs this host does not have, in words; undefined when it has all. */
export function abiProblem(layer: Abi | null, host: Abi): string | undefined {
  if (layer === null) return undefined;
  for (const part of ["arch", "libc", "python", "node"] as const) {
    if (layer[part] === undefined || layer[part] === host[part]) continue;
    return `it was built for ${part} ${layer[part]}, and this host has ${host[part] ?? "none"}`;
  }
  return undefined;
}
