import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import type { Abi, Layer } from "../contract/layer.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit, usage } from "./exit.ts";
import { whole } from "./option-values.ts";
import { plain, plainLine } from "./plain.ts";
import { transferProgress } from "./progress.ts";
import { count, showBytes, table } from "./words.ts";

const sample = "layer_0f343b0931126a20f133d67c2b018a3b";

/** `layers list|show|verify|sbom|export|import|delete`: trees of installed things. */
export function addLayers(program: Command, cli: Cli): void {
  const layers = program
    .command("layers")
    .description("List, verify, export, import and remove layers: trees of installed packages");
  examples(layers, "airlock layers list", `airlock layers sbom ${sample}`);
  addList(layers, cli);
  const show = layers
    .command("show <layer>")
    .description("Show a layer, by its id or its digest")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const layer = await (await client()).layers.get(id);
        await (print.json ? print.value(layer) : showLayer({ print }, layer));
        return exit.ok;
      }),
    );
  examples(show, `airlock layers show ${sample}`);
  const verify = layers
    .command("verify <layers...>")
    .description("Read layers and hold them against their digests; exit code 1 when one is damaged")
    .action(cli.run(verifyLayers));
  examples(verify, `airlock layers verify ${sample}`);
  addSbom(layers, cli);
  addTransport(layers, cli);
  const remove = layers
    .command("delete <layer>")
    .description("Remove a layer that nothing needs")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        await (await client()).layers.delete(id);
        if (print.json) await print.value({ layer: id, deleted: true });
        else print.note(`Deleted ${plainLine(id)}`);
        return exit.ok;
      }),
    );
  examples(remove, `airlock layers delete ${sample}`);
}

function addList(layers: Command, cli: Cli): void {
  const list = layers
    .command("list")
    .description("List layers, newest first")
    .option("--limit <n>", "at most so many", whole, 100)
    .action(
      cli.run<{ limit: number }>(async ({ client, print }, { limit }) => {
        const rows: string[][] = [];
        let shown = 0;
        for await (const layer of (await client()).layers.all()) {
          if (shown === limit || print.closed.aborted) break;
          if (print.json) await print.value(layer);
          else rows.push(rowOf(layer));
          shown += 1;
        }
        for (const line of table(rows)) await print.line(line);
        if (shown === 0) print.hint("No layers");
        return exit.ok;
      }),
    );
  examples(list, "airlock layers list", "airlock layers list --json | jq -r .digest");
}

function rowOf({ id, sizeBytes, fileCount, createdAt, name }: Layer): string[] {
  const when = createdAt.slice(0, 19).replace("T", " ");
  return [id, showBytes(sizeBytes), count(fileCount, "file"), when, plainLine(name)];
}

async function showLayer({ print }: Pick<Context, "print">, layer: Layer): Promise<void> {
  const { id, digest, name, sizeBytes, fileCount, abi, hosts, createdAt, runId } = layer;
  await print.line(`${print.color.bold(plainLine(name))}  ${id}`);
  const rows = [
    ["digest", digest],
    ["size", `${showBytes(sizeBytes)} in ${count(fileCount, "file")}`],
    ["runs on", abiWords(abi)],
    ["made", `${createdAt} ${runId === null ? "(imported)" : `by ${runId}`}`],
    ["contacted", hosts.length === 0 ? "no host" : hosts.map(plainLine).join(", ")],
  ];
  for (const line of table(rows)) await print.line(`  ${line}`);
}

function abiWords(abi: Abi | null): string {
  if (abi === null) return "anything";
  const { arch, libc, python, node } = abi;
  const more = [python && `Python ${python}`, node && `Node modules ${node}`].filter(Boolean);
  return [arch, libc, ...more].map((word) => plainLine(String(word))).join(", ");
}

async function verifyLayers(
  { client, print }: Context,
  _options: object,
  ...ids: string[]
): Promise<number> {
  const { layers } = await client();
  let damaged = 0;
  for (const id of ids) {
    print.spinner.show(`reading ${plainLine(id)}`);
    const verdict = await layers.verify(id);
    if (!verdict.ok) damaged += 1;
    if (print.json) await print.value({ layer: id, ...verdict });
    else if (verdict.ok) {
      await print.line(`${print.color.green("✓")} ${plainLine(id)}: it is what its digest says`);
    } else {
      const why = plainLine(verdict.reason ?? "it is not what its digest says");
      await print.line(`${print.color.red("✗")} ${plainLine(id)}: ${why}`);
    }
  }
  return damaged === 0 ? exit.ok : exit.failed;
}

function addSbom(layers: Command, cli: Cli): void {
  const sbom = layers
    .command("sbom <layer>")
    .description("List the packages in a layer; with --json or --out as CycloneDX")
    .option("--out <file>", "write the CycloneDX document to a file")
    .action(
      cli.run<{ out?: string }>(async ({ client, print }, { out }, id) => {
        print.spinner.show(`reading ${plainLine(id)}`);
        const document = await (await client()).layers.sbom(id);
        if (out !== undefined) return await saveDocument({ print }, out, document);
        if (print.json) {
          await print.value(document);
          return exit.ok;
        }
        const rows = packagesOf(document);
        for (const line of table(rows)) await print.line(line);
        if (rows.length === 0) print.hint("No packages were recognised");
        return exit.ok;
      }),
    );
  examples(sbom, `airlock layers sbom ${sample}`, `airlock layers sbom ${sample} --out sbom.json`);
}

async function saveDocument({ print }: Pick<Context, "print">, out: string, document: object) {
  const text = `${JSON.stringify(document, null, 2)}\n`;
  try {
    await writeFile(out, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("file_unwritable", `--out: cannot write the file: ${reason}`);
  }
  const bytes = Buffer.byteLength(text);
  if (print.json) await print.value({ path: out, bytes });
  else await print.line(`${plain(out)}  ${showBytes(bytes)}`);
  return exit.ok;
}

/** Names, versions and kinds of packages; what a newer gateway writes in another way is left out. */
function packagesOf({ components }: Record<string, unknown>): string[][] {
  if (!Array.isArray(components)) return [];
  return components.map((component: Record<string, unknown>) => {
    const { group, name, version, purl } = component;
    const full = typeof group === "string" ? `${group}/${name}` : String(name);
    const kind = /^pkg:([a-z]+)\//.exec(String(purl))?.[1] ?? "";
    return [plainLine(full), plainLine(String(version)), kind];
  });
}

interface ImportFlags {
  name?: string;
  digest?: string;
  arch?: string;
  libc?: string;
  python?: string;
  node?: string;
}

function addTransport(layers: Command, cli: Cli): void {
  const save = layers
    .command("export <layer>")
    .description("Save a layer as tar.zst: the same bytes for the same layer")
    .option("--out <file>", "where to; default <layer id>.tar.zst")
    .action(
      cli.run<{ out?: string }>(async ({ client, print }, { out }, name) => {
        const { layers: calls } = await client();
        const { id } = await calls.get(name);
        const onProgress = transferProgress(print, `exporting ${id}`);
        const saved = await calls.export(id, { to: out ?? `${id}.tar.zst`, onProgress });
        if (print.json) await print.value({ layer: id, ...saved });
        else await print.line(`${plain(saved.path)}  ${showBytes(saved.bytes)}`);
        return exit.ok;
      }),
    );
  examples(save, `airlock layers export ${sample} --out deps.tar.zst`);
  const bring = layers
    .command("import <file>")
    .description("Make a layer of a tar.zst, as `layers export` writes it")
    .option("--name <name>", "what it is called; default: the file's name")
    .option("--digest <digest>", "refuse anything but this layer")
    .option("--arch <arch>", "what it runs on: x64 or arm64; default: anything")
    .option("--libc <libc>", "glibc or musl; with --arch")
    .option("--python <version>", "as 3.12; with --arch")
    .option("--node <version>", "the version of Node's module interface; with --arch")
    .action(
      cli.run<ImportFlags>(async ({ client, print }, flags, file) => {
        const { name = basename(file).replace(/\.tar(\.zst)?$/, ""), digest } = flags;
        const abi = abiOf(flags);
        const { layers: calls } = await client();
        const onProgress = transferProgress(print, `importing ${plainLine(file)}`);
        const layer = await calls.import(file, {
          ...{ name, onProgress },
          ...(digest === undefined ? {} : { digest }),
          ...(abi === undefined ? {} : { abi }),
        });
        if (print.json) await print.value(layer);
        else {
          await print.line(layer.id);
          const size = `${showBytes(layer.sizeBytes)} in ${count(layer.fileCount, "file")}`;
          print.note(`Imported ${plainLine(layer.name)}: ${size}, ${layer.digest}`);
        }
        return exit.ok;
      }),
    );
  examples(
    bring,
    "airlock layers import deps.tar.zst",
    "airlock layers import deps.tar.zst --name deps --arch x64 --libc glibc --python 3.12",
  );
}

function abiOf({ arch, libc, python, node }: ImportFlags): Abi | undefined {
  if (arch === undefined && libc === undefined) {
    if (python === undefined && node === undefined) return undefined;
    throw usage("--python and --node need --arch and --libc");
  }
  if (arch === undefined || libc === undefined) throw usage("--arch and --libc go together");
  return {
    ...{ arch, libc },
    ...(python === undefined ? {} : { python }),
    ...(node === undefined ? {} : { node }),
  };
}
