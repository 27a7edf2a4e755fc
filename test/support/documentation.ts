/**
 * Runs what a document shows, in the order in which it is shown, as a reader would who types it in: `sh` in a shell whose
 * variables stay from block to block, and where a request that is refused is an error; `ts` as one program in which a block
 * sees what those before it declared, at the place of the last one; and `json` is held against what it is an example of. A
 * word after the language says more: a file's name (```json run.json) that the reader saves the block under it, a tool's name
 * that the block is the arguments of a call, and `inside` that a run's own code does it in its sandbox.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { compileCache } from "./compile-cache.ts";
import {
  type DocumentationModel,
  openDocumentationModel,
  type Part,
} from "./documentation-model.ts";
import { checkJson } from "./documented-json.ts";
import { type Block, blocksOf, leftOf, pathOf } from "./documents.ts";
import { type StartedGateway, startGateway } from "./start-gateway.ts";
import { tempDirUntilExit } from "./temp-dir.ts";

const root = new URL("../../", import.meta.url).pathname;

export interface Documentation {
  gateway: StartedGateway;
  model: DocumentationModel;
  /** Where the reader is. */
  dir: string;
  /** Does what all blocks of a document of `docs/`, or README.md, show. Throws with the block and what was said. */
  follow(name: string, meanwhile?: Meanwhile): Promise<void>;
  /** The same for one block; resolves with its output. */
  sh(text: string): Promise<string>;
  /** Puts files where the reader is; addresses of the documents are replaced in them. */
  save(files: Record<string, string>): void;
  close(): Promise<void>;
}

/** What happens beside the document. */
export interface Meanwhile {
  /** Before a block that is typed in. What it resolves with are variables that the reader has from there on. */
  before?(block: Block): Promise<Record<string, string> | undefined>;
  /** Runs a block in the sandbox of a run. */
  inside?(block: Block): Promise<void>;
}

export interface DocumentationOptions {
  parts?: readonly Part[];
  /** Of the gateway. */
  env?: Record<string, string>;
  /** Of the reader. */
  variables?: Record<string, string>;
  /** Files that the reader has already, by path. */
  files?: Record<string, string>;
  /** Addresses of the documents, and what stands there in a test. */
  addresses?: Record<string, string>;
}

/** The address that documents use; the gateway of the test is elsewhere. */
const documented = "http://127.0.0.1:7475";

export async function openDocumentation(
  options: DocumentationOptions = {},
): Promise<Documentation> {
  const model = await openDocumentationModel(options.parts ?? []);
  const gateway = await startGateway({ env: { ...model.env, ...options.env } });
  const dir = tempDirUntilExit("documentation");
  for (const [path, text] of Object.entries(options.files ?? {})) save(join(dir, path), text);
  prepare(dir, gateway);
  const env = {
    ...compileCache,
    ...options.variables,
    PATH: `${join(dir, ".bin")}:${process.env.PATH ?? ""}`,
    HOME: dir,
    NO_COLOR: "1",
    AIRLOCK_URL: gateway.url,
    AIRLOCK_TOKEN: gateway.token,
    NODE_OPTIONS: `--import ${pathToFileURL(join(dir, ".documented.mjs")).href}`,
  };
  const here = (text: string) =>
    Object.entries({ ...options.addresses, [documented]: gateway.url }).reduce(
      (rest, [shown, real]) => rest.replaceAll(shown, real),
      text,
    );
  const sh = (text: string) => {
    const before = `set -euo pipefail; set -a; [ ! -e .vars ] || . ./.vars`;
    const after = `declare -px | grep -v -e PATH= -e NODE_OPTIONS= > .vars`;
    return run("bash", ["-c", `${before}\n${here(text)}\n${after}`], { cwd: dir, env });
  };
  const type = async (block: Block, meanwhile: Meanwhile) => {
    const given = await meanwhile.before?.(block);
    for (const [name, value] of Object.entries(given ?? {})) await sh(`${name}='${value}'`);
    await sh(block.text);
  };
  const runPrograms = async (name: string, programs: readonly Block[], meanwhile: Meanwhile) => {
    for (const block of programs) await meanwhile.before?.(block);
    const program = join(dir, `${name}.program.ts`);
    writeFileSync(program, nested(programs.map(({ text }) => here(text))));
    await run(process.execPath, [program], { cwd: dir, env });
  };
  const follow = async (name: string, meanwhile: Meanwhile = {}) => {
    const blocks = blocksOf(readFileSync(join(root, pathOf(name)), "utf8")).map((block) =>
      leftOf(name, block),
    );
    const programs = blocks.filter(({ language, file }) => language === "ts" && !file);
    for (const block of blocks) {
      const { language, file, label, text } = block;
      await told(`${pathOf(name)}:${block.line}`, async () => {
        if (language === "json") checkJson(name, block);
        if (file !== undefined) save(join(dir, file), here(text));
        else if (label === "inside") await inSandbox({ ...block, text: here(text) }, meanwhile);
        else if (language === "sh") await type(block, meanwhile);
        else if (block === programs.at(-1)) await runPrograms(name, programs, meanwhile);
      });
    }
  };
  const close = async () => {
    await gateway.stop();
    await model.close();
  };
  const put = (files: Record<string, string>) => {
    for (const [path, text] of Object.entries(files)) save(join(dir, path), here(text));
  };
  return { gateway, model, dir, follow, sh, save: put, close };
}

async function inSandbox(block: Block, { inside }: Meanwhile): Promise<void> {
  if (inside === undefined) throw new Error("The test has no run that does it in its sandbox");
  await inside(block);
}

/** `airlock` on the PATH, and the packages by which a reader's program knows the SDK. */
function prepare(dir: string, gateway: StartedGateway): void {
  const airlock = join(root, "bin/airlock");
  const atHand = `${process.execPath} ${join(root, "test/support/airlock-at-hand.ts")} ${airlock}`;
  const asks = '"serve "* | "approvals approve" | "interactions answer"';
  const program = `#!/bin/sh
case "\${1-} \${2-}\${4+ flags}" in ${asks}) exec ${atHand} "$@" ;; esac
exec ${airlock} "$@"
`;
  save(join(dir, ".bin/airlock"), program, 0o755);
  save(join(dir, "bin/airlock"), program, 0o755);
  const curl = `#!/bin/sh\nPATH=\${PATH#*:} exec curl --fail-with-body --max-time 60 "$@"\n`;
  save(join(dir, ".bin/curl"), curl, 0o755);
  const sdk = pathToFileURL(join(root, "src/sdk/sdk.ts")).href;
  const compat = pathToFileURL(join(root, "src/sdk/compat.ts")).href;
  save(
    join(dir, ".documented.mjs"),
    `import { registerHooks } from "node:module";
registerHooks({
  resolve(name, context, next) {
    if (name === "@airlock/sdk" || name === "airlock") return { url: ${JSON.stringify(sdk)}, shortCircuit: true };
    if (name === "@airlock/sdk/compat") return { url: ${JSON.stringify(compat)}, shortCircuit: true };
    return next(name, context);
  },
});
const { fetch } = globalThis;
globalThis.fetch = (input, init) =>
  fetch(typeof input === "string" ? input.replace(${JSON.stringify(documented)}, ${JSON.stringify(gateway.url)}) : input, init);
`,
  );
}

/** Each block inside of the one before: it sees what was declared there, and may declare the same name anew. */
function nested(texts: readonly string[]): string {
  const imports = new Set<string>();
  const bodies = texts.map((text) =>
    text.replaceAll(/^import [\s\S]*?;\n/gm, (line) => {
      imports.add(line);
      return "";
    }),
  );
  return `${merged([...imports])}\n${bodies.join("\n{\n")}${"\n}".repeat(bodies.length - 1)}\n`;
}

/** Two blocks may import the same name: once is enough. */
function merged(imports: readonly string[]): string {
  const names = new Map<string, Set<string>>();
  for (const line of imports) {
    const [, list = "", from = ""] = /^import \{([\s\S]*?)\} from (".*");/.exec(line) ?? [];
    const known = names.get(from) ?? new Set();
    for (const name of list.split(",")) if (name.trim() !== "") known.add(name.trim());
    names.set(from, known);
  }
  return [...names]
    .map(([from, list]) => `import { ${[...list].join(", ")} } from ${from};`)
    .join("\n");
}

function save(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
}

async function told<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function run(
  program: string,
  args: string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let wrong = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    wrong += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(said);
      else reject(new Error(`ended with ${code}:\n${wrong}\n${said}`.slice(0, 4000)));
    });
  });
}
