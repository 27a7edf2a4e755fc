import { posix } from "node:path";
import { addOpaque, addStart, readWithin, type Start, type Through } from "./look-through.ts";
import { goModule } from "./modules.ts";
import type { Sight } from "./sight.ts";

/** How far above a file of Go its `go.mod` is looked for. */
const homeLevels = 8;

/** The other files of a package of Go, which are compiled with it, and the packages of its own module. */
export async function followGo(start: Start, found: Sight, through: Through): Promise<void> {
  const near = posix.dirname(start.path);
  await startPackage(near, start, through);
  const home = await goHome(near, through);
  if (home === undefined) return;
  for (const follow of found.follows) {
    if (follow.by !== "module" || !`${follow.module}/`.startsWith(`${home.module}/`)) continue;
    const directory = posix.join(home.path, follow.module.slice(home.module.length));
    const from = { file: start.path, line: follow.line };
    await startPackage(directory, { ...start, from }, through);
  }
}

async function startPackage(directory: string, start: Start, through: Through): Promise<void> {
  const key = `${directory}\0package`;
  if (through.seen.has(key)) return;
  through.seen.add(key);
  const names = await through.look.list?.(directory);
  if (names === undefined && posix.dirname(start.path) !== directory) {
    addOpaque(start.from, directory, "The files of this package are not known", through);
  }
  for (const name of names ?? []) {
    if (!name.endsWith(".go") || name.endsWith("_test.go")) continue;
    const path = posix.join(directory, name);
    addStart({ ...start, path, kind: "go", expected: false, depth: start.depth + 1 }, through);
  }
}

async function goHome(
  near: string,
  through: Through,
): Promise<{ path: string; module: string } | undefined> {
  let path = near;
  for (let up = 0; up < homeLevels && path !== "/"; up += 1, path = posix.dirname(path)) {
    const content = await readWithin(`${path}/go.mod`, through);
    const module = content === undefined ? undefined : goModule(new TextDecoder().decode(content));
    if (module !== undefined) return { path, module };
  }
  return undefined;
}
