import { resolve } from "node:path";
import type { Command } from "commander";
import { readConfig } from "../base/config.ts";
import type { DoctorReport } from "../contract/upkeep.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit } from "./exit.ts";
import { plainLine } from "./plain.ts";

/**
 * `airlock doctor`: what this host can give a sandbox, before any gateway runs; with --url, what a
 * gateway's host can.
 */
export function addDoctor(program: Command, cli: Cli): void {
  const doctor = program
    .command("doctor")
    .description("Probe what this host gives a sandbox, and say how to fix what it does not")
    .action(
      cli.run(async (context) => {
        context.print.spinner.show("probing");
        const report = await examine(context);
        await printReport(context, report);
        const bad = report.probes.some((probe) => probe.required && !probe.ok);
        return report.grade === null || bad ? exit.failed : exit.ok;
      }),
    );
  examples(doctor, "airlock doctor", "airlock doctor --url https://airlock.example.com");
}

async function examine(context: Context): Promise<DoctorReport> {
  const { io, options } = context;
  if (options.url !== undefined) return await (await context.client()).doctor();
  const { examineHost } = await import("../gateway.ts");
  const { openLog } = await import("../base/log.ts");
  const config = readConfig(io.env, options.dataDir ? { dataDir: resolve(options.dataDir) } : {});
  return await examineHost(config, openLog("silent"));
}

async function printReport({ print }: Context, report: DoctorReport): Promise<void> {
  if (print.json) return await print.value(report);
  const { color } = print;
  const width = Math.max(0, ...report.probes.map(({ name }) => name.length));
  for (const { name, ok, required, found, remedy } of report.probes) {
    const mark = ok ? color.green("✓") : required ? color.red("✗") : color.yellow("!");
    await print.line(`${mark} ${plainLine(name).padEnd(width)}  ${plainLine(found)}`);
    if (!ok && remedy) await print.line(`  ${" ".repeat(width)}  → ${plainLine(remedy)}`);
  }
  for (const what of report.notExercised) {
    await print.line(color.dim(`? not exercised here: ${plainLine(what)}`));
  }
  await print.line(
    report.grade === null
      ? `${color.red("✗")} No sandbox on this host: nothing will run until the above is fixed`
      : `${color.green("✓")} Isolation grade ${report.grade}`,
  );
}
