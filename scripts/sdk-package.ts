/**
 * Puts beside the compiled client what makes it a package: `package.json`, README, licence, documents and examples. Links of
 * documents are made to lead to where their targets are in the package; one that leads out of it becomes its text.
 *
 *   node scripts/sdk-package.ts <folder with dist/>
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const into = resolve(process.argv[2] ?? join(root, "dist-sdk"));
const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const manifest = {
  name: "@airlock/sdk",
  version: own.version,
  description: "The client of Airlock, a self-hosted gateway that runs AI agents.",
  keywords: ["airlock", "agent", "sandbox", "client", "sdk"],
  license: own.license,
  type: "module",
  sideEffects: false,
  engines: { node: ">=20" },
  exports: {
    ".": { types: "./dist/sdk/sdk.d.ts", default: "./dist/sdk/sdk.js" },
    "./compat": { types: "./dist/sdk/compat.d.ts", default: "./dist/sdk/compat.js" },
  },
  files: ["dist", "docs", "examples"],
  dependencies: { zod: own.dependencies.zod },
};

/** Where each file of the package comes from. */
const copied = new Map([["src/sdk/README.md", "README.md"]]);
for (const name of readdirSync(join(root, "docs")).filter((one) => one.endsWith(".md"))) {
  copied.set(`docs/${name}`, `docs/${name}`);
}
for (const name of readdirSync(join(root, "examples/sdk"))) {
  copied.set(`examples/sdk/${name}`, `examples/${name}`);
}

for (const folder of ["docs", "examples"])
  rmSync(join(into, folder), { recursive: true, force: true });
writeFileSync(join(into, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
copyFileSync(join(root, "LICENSE"), join(into, "LICENSE"));
for (const [from, to] of copied) {
  mkdirSync(dirname(join(into, to)), { recursive: true });
  if (!from.endsWith(".md")) copyFileSync(join(root, from), join(into, to));
  else writeFileSync(join(into, to), relinked(readFileSync(join(root, from), "utf8"), from, to));
}

function relinked(text: string, from: string, to: string): string {
  return text.replace(/\[([^\]]*)\]\(([^)\s]+)\)/g, (link, words: string, target: string) => {
    if (/^[a-z]+:|^#/.test(target)) return link;
    const [path = "", anchor] = target.split("#");
    const there = copied.get(posix.join(posix.dirname(from), path));
    if (there === undefined) return words;
    const between = posix.relative(posix.dirname(to), there);
    return `[${words}](${between}${anchor === undefined ? "" : `#${anchor}`})`;
  });
}
