import { resolve } from "node:path";
import type { Command } from "commander";
import { readConfig } from "../base/config.ts";
import type { GcReport, VerifyReport } from "../contract/upkeep.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { plainLine } from "./plain.ts";
import { verifyFile } from "./verify-archive.ts";
import { count, showBytes } from "./words.ts";

interface Upkeep {
  verify(): Promise<VerifyReport>;
  gc(options: { dryRun: boolean }): Promise<GcReport>;
}

/**
 * `verify` and `gc`: of a running gateway, or, with --data-dir, of a directory that no gateway
 * holds.
 */
export function addUpkeep(program: Command, cli: Cli): void {
  const verify = program
    .command("verify [archive]")
    .description("Check an archive, without any gateway; or every chain, row and blob of one")
    .option("--key <file|id>", "the key that has to have signed the archive")
    .action(
      cli.run<{ key?: string }>(async (context, { key }, archive) => {
        if (archive !== undefined) return await verifyFile(context, archive, key ? { key } : {});
        if (key !== undefined) throw usage("--key is for an archive, and none was named");
        context.print.spinner.show("reading everything");
        const report = await upkeepOf(context, (upkeep) => upkeep.verify());
        await printVerify(context, report);
        return report.ok ? exit.ok : exit.failed;
      }),
    );
  examples(
    verify,
    "airlock verify airlock-run_01kadz3v6m5c0jx9s2qf8t7w4b.zip --key key.pem",
    "airlock verify",
    "airlock verify --data-dir /var/lib/airlock",
  );
  const gc = program
    .command("gc")
    .description("Remove what nothing refers to; with --data-dir, while no gateway runs")
    .option("--dry-run", "only say what would go")
    .action(
      cli.run<{ dryRun?: boolean }>(async (context, { dryRun = false }) => {
        const { print } = context;
        print.spinner.show("looking for what nothing refers to");
        const report = await upkeepOf(context, (upkeep) => upkeep.gc({ dryRun }));
        if (print.json) await print.value(report);
        else await print.line(gcSentence(report));
        return exit.ok;
      }),
    );
  examples(gc, "airlock gc --dry-run", "airlock gc --data-dir /var/lib/airlock");
}

async function upkeepOf<T>(context: Context, work: (upkeep: Upkeep) => Promise<T>): Promise<T> {
  const { io, options } = context;
  if (options.dataDir === undefined) return await work(await overApi(context));
  const { openUpkeep } = await import("../gateway.ts");
  const upkeep = await openUpkeep(readConfig(io.env, { dataDir: resolve(options.dataDir) }));
  try {
    return await work(upkeep);
  } finally {
    await upkeep.close();
  }
}

async function overApi(context: Context): Promise<Upkeep> {
  const client = await context.client();
  return { verify: () => client.verify(), gc: (options) => client.gc(options) };
}

async function printVerify({ print }: Context, report: VerifyReport): Promise<void> {
  if (print.json) return await print.value(report);
  const { color } = print;
  for (const { kind, subject, message } of report.defects) {
    const where = `${kind} ${plainLine(subject)}`;
    await print.line(`${color.red("✗")} ${where}: ${plainLine(message)}`);
  }
  const read = [
    count(report.runs, "run"),
    count(report.events, "event"),
    `${count(report.blobs, "blob")} (${showBytes(report.bytes)})`,
    count(report.layers, "layer"),
  ].join(", ");
  const verdict = report.ok
    ? "everything is as it was written"
    : count(report.defects.length, "defect");
  await print.line(`${report.ok ? color.green("✓") : color.red("✗")} ${read}: ${verdict}`);
}

function gcSentence(report: GcReport): string {
  const gone = [
    `${count(report.blobs, "blob")} (${showBytes(report.bytes)})`,
    count(report.tempFiles, "temporary file"),
    count(report.layers, "layer"),
    `${report.runDirectories} run director${report.runDirectories === 1 ? "y" : "ies"}`,
  ].join(", ");
  const { blobs, bytes, young } = report.kept;
  const kept = `${count(blobs, "blob")} (${showBytes(bytes)}), ${young} of them too young to judge`;
  const runs = report.retainedRuns;
  const retained = runs === 0 ? "" : `, and the directories of ${count(runs, "retained run")}`;
  return `${report.dryRun ? "Would remove" : "Removed"} ${gone}; kept ${kept}${retained}`;
}
