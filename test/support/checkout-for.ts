import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { tempDirUntilExit } from "./temp-dir.ts";

export interface Checkout {
  root: string;
  node: string;
}

const own: Checkout = { root: resolve(import.meta.dirname, "../.."), node: process.execPath };
let copy: Checkout | undefined;

/**
 * Where a process of this host uid finds the gateway's code and a Node to run it: this checkout, or, when it lies where
 * only its owner can go (a home directory), a copy that everybody can read, made once for a test process.
 */
export function checkoutFor(uid: number | undefined): Checkout {
  if (uid === undefined || uid === process.getuid?.()) return own;
  if (isOpenToAll(own.root) && isOpenToAll(own.node)) return own;
  copy ??= makeCopy();
  return copy;
}

function isOpenToAll(path: string): boolean {
  const { mode } = statSync(path);
  if ((mode & 0o005) !== 0o005) return false;
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    if ((statSync(dir).mode & 0o001) === 0) return false;
    if (dir === "/") return true;
  }
}

function makeCopy(): Checkout {
  const root = tempDirUntilExit("checkout");
  for (const name of ["src", "bin", "test/support", "package.json", "node_modules"]) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    cpSync(join(own.root, name), join(root, name), { recursive: true, verbatimSymlinks: true });
  }
  mkdirSync(join(root, "node-bin"));
  cpSync(own.node, join(root, "node-bin/node"), { dereference: true });
  execFileSync("chmod", ["-R", "a+rX", root]);
  return { root, node: join(root, "node-bin/node") };
}
