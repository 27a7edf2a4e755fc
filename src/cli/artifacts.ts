import type { Command } from "commander";
import { artifactKinds } from "../contract/artifact.ts";
import type { Artifact, ArtifactProof } from "../sdk/sdk.ts";
import { addArtifactRuns } from "./artifact-runs.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { collect, whole } from "./option-values.ts";
import { plain, plainLine } from "./plain.ts";
import { transferProgress } from "./progress.ts";
import { proofLine } from "./proofs.ts";
import { readFileFlag } from "./run-options.ts";
import { count, showBytes, table } from "./words.ts";

const sample = "ar.9f86d081884c7d659a2feaa0";

/** `artifacts list|show|create|exec|prove|export|revoke`: bundles that run without network. */
export function addArtifacts(program: Command, cli: Cli): void {
  const artifacts = program
    .command("artifacts")
    .description("Make, run, prove and export artifacts: files, layers and what can be started");
  examples(
    artifacts,
    "airlock artifacts list",
    `airlock artifacts exec ${sample} main.py -- --help`,
  );
  addList(artifacts, cli);
  const show = artifacts
    .command("show <artifact>")
    .description("Show an artifact, by its id or a ref, and what was proved of it")
    .action(
      cli.run(async ({ client, print }, _options, name) => {
        const found = await (await client()).artifacts.get(name);
        await (print.json ? print.value(found) : showArtifact({ print }, found));
        return exit.ok;
      }),
    );
  examples(show, `airlock artifacts show ${sample}`);
  addCreate(artifacts, cli);
  addArtifactRuns(artifacts, cli, sample);
  addExport(artifacts, cli);
  const revoke = artifacts
    .command("revoke <ref>")
    .description("Take a ref out of force; the artifact stays, with its id and with other refs")
    .action(
      cli.run(async ({ client, print }, _options, ref) => {
        await (await client()).artifacts.revoke(ref);
        if (print.json) await print.value({ ref, revoked: true });
        else print.note(`Revoked ${plainLine(ref)}`);
        return exit.ok;
      }),
    );
  examples(revoke, `airlock artifacts revoke ${sample}`);
}

function addList(artifacts: Command, cli: Cli): void {
  const list = artifacts
    .command("list")
    .description("List artifacts, newest first")
    .option("--limit <n>", "at most so many", whole, 100)
    .action(
      cli.run<{ limit: number }>(async ({ client, print }, { limit }) => {
        const rows: string[][] = [];
        let shown = 0;
        for await (const artifact of (await client()).artifacts.all()) {
          if (shown === limit || print.closed.aborted) break;
          if (print.json) await print.value(artifact);
          else rows.push(rowOf(artifact));
          shown += 1;
        }
        for (const line of table(rows)) await print.line(line);
        if (shown === 0) print.hint("No artifacts");
        return exit.ok;
      }),
    );
  examples(list, "airlock artifacts list", "airlock artifacts list --json | jq -r .ref");
}

function rowOf({ id, ref, files, layers, createdAt, name }: Artifact): string[] {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const when = createdAt.slice(0, 19).replace("T", " ");
  const parts = `${count(files.length, "file")} (${showBytes(bytes)})`;
  return [id, ref ?? "no ref", parts, count(layers.length, "layer"), when, plainLine(name ?? "")];
}

const filesShown = 50;
const proofsShown = 20;

async function showArtifact(
  { print }: Pick<Context, "print">,
  { artifact, proofs }: { artifact: Artifact; proofs: ArtifactProof[] },
): Promise<void> {
  const { color } = print;
  const { id, digest, ref, name, kind, entrypoints, files, layers, createdAt, runId } = artifact;
  await print.line(`${color.bold(plainLine(name ?? kind))}  ${id}`);
  const facts = [
    ["digest", digest],
    ["ref", ref ?? "none in force"],
    ["kind", kind],
    ["made", `${createdAt} ${runId === null ? "(uploaded)" : `by ${runId}`}`],
    ["starts", entrypoints.length === 0 ? "nothing" : entrypoints.map(plainLine).join(", ")],
  ];
  for (const line of table(facts)) await print.line(`  ${line}`);
  await print.line(`  ${count(files.length, "file")}`);
  const shown = files.slice(0, filesShown);
  const rows = shown.map((file) => [
    file.executable ? "x" : "-",
    showBytes(file.bytes),
    plainLine(file.name),
  ]);
  for (const line of table(rows)) await print.line(`    ${line}`);
  if (files.length > shown.length) {
    await print.line(color.dim(`    … ${count(files.length - shown.length, "more file")}`));
  }
  for (const { name: called, mount_path, mount_as, digest: layer } of layers) {
    const places = [mount_path, ...(mount_as === null ? [] : [mount_as])].map(plainLine);
    await print.line(`  layer ${plainLine(called)} at ${places.join(" and ")}: ${layer}`);
  }
  for (const proof of proofs.slice(0, proofsShown)) {
    await print.line(`  ${proofLine(print, proof)}`);
  }
  if (proofs.length > proofsShown) {
    await print.line(color.dim(`  … ${count(proofs.length - proofsShown, "more proof")}`));
  }
}

interface CreateFlags {
  file?: string[];
  input?: string[];
  entrypoint?: string[];
  layer?: string[];
  kind?: string;
  name?: string;
}

function addCreate(artifacts: Command, cli: Cli): void {
  const create = artifacts
    .command("create")
    .description("Make an artifact and print a ref to it")
    .option("--file <path[=dest]>", "a file of it, found at /tmp/DEST; may be repeated", collect)
    .option("--entrypoint <name>", "a file that can be started; may be repeated", collect)
    .option("--layer <layer=path[=as]>", "a layer, and where it is found; may be repeated", collect)
    .option("--input <artifact>", "another artifact, merged in first; may be repeated", collect)
    .option("--kind <kind>", `${artifactKinds.join(", ")}; default: the first input's, or generic`)
    .option("--name <name>", "what people call it")
    .action(
      cli.run<CreateFlags>(async ({ client, print }, flags) => {
        const { file = [], input, entrypoint, layer, kind, name } = flags;
        const calls = (await client()).artifacts;
        print.spinner.show("sending the files");
        const artifact = await calls.create({
          files: await Promise.all(file.map(readFileFlag)),
          ...(input === undefined ? {} : { inputs: input }),
          ...(entrypoint === undefined ? {} : { entrypoints: entrypoint }),
          ...(layer === undefined ? {} : { layers: layer.map(readLayerFlag) }),
          ...(kind === undefined ? {} : { kind: kindOf(kind) }),
          ...(name === undefined ? {} : { name }),
        });
        if (print.json) await print.value(artifact);
        else {
          await print.line(artifact.ref ?? artifact.id);
          const { files, layers, id } = artifact;
          const parts = `${count(files.length, "file")}, ${count(layers.length, "layer")}`;
          print.note(`${id}: ${parts}`);
        }
        return exit.ok;
      }),
    );
  examples(
    create,
    "airlock artifacts create --file main.py --entrypoint main.py --name report",
    "airlock artifacts create --file main.mjs --entrypoint main.mjs \\\n" +
      "      --layer layer_0f343b0931126a20f133d67c2b018a3b=/opt/app/node_modules=/tmp/node_modules",
  );
}

function readLayerFlag(text: string) {
  const [layer = "", mount_path, mount_as, ...rest] = text.split("=");
  if (mount_path === undefined || rest.length > 0) {
    throw usage(`--layer: expected LAYER=PATH or LAYER=PATH=AS, got ${JSON.stringify(text)}`);
  }
  return { layer, mount_path, ...(mount_as === undefined ? {} : { mount_as }) };
}

function kindOf(text: string): (typeof artifactKinds)[number] {
  const kind = artifactKinds.find((name) => name === text);
  if (kind !== undefined) return kind;
  throw usage(`--kind: no kind ${JSON.stringify(text)}`, `There are: ${artifactKinds.join(", ")}`);
}

function addExport(artifacts: Command, cli: Cli): void {
  const save = artifacts
    .command("export <artifact>")
    .description("Save an artifact as an OCI image layout, or its files as a zip")
    .option("--format <format>", "oci or zip", "oci")
    .option("--out <file>", "where to; default <artifact id>.oci.tar or <artifact id>.zip")
    .action(
      cli.run<{ format: string; out?: string }>(async ({ client, print }, options, name) => {
        const { format, out } = options;
        if (format !== "oci" && format !== "zip") {
          throw usage(`--format: expected oci or zip, got ${JSON.stringify(format)}`);
        }
        const calls = (await client()).artifacts;
        const { id } = (await calls.get(name)).artifact;
        const to = out ?? `${id}.${format === "oci" ? "oci.tar" : "zip"}`;
        const onProgress = transferProgress(print, `exporting ${id}`);
        const saved = await calls.export(id, { format, to, onProgress });
        if (print.json) await print.value({ artifact: id, format, ...saved });
        else await print.line(`${plain(saved.path)}  ${showBytes(saved.bytes)}`);
        return exit.ok;
      }),
    );
  examples(
    save,
    `airlock artifacts export ${sample} --out image.tar`,
    `airlock artifacts export ${sample} --format zip`,
  );
}
