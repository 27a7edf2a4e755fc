import type { Command } from "commander";
import type { ProxyCall } from "../contract/proxy-call.ts";
import { type Cli, examples } from "./context.ts";
import { showDuration } from "./duration.ts";
import { exit } from "./exit.ts";
import { whole } from "./option-values.ts";
import { plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { showBytes } from "./words.ts";

/** `proxy-calls`: what a run asked of its proxy endpoints, and what came of it. */
export function addProxyCalls(program: Command, cli: Cli): void {
  const calls = program
    .command("proxy-calls <id>")
    .description("List the calls of a run's proxy endpoints, oldest first")
    .option("--limit <n>", "at most so many; default: all", whole)
    .action(
      cli.run<{ limit?: number }>(async ({ client, print }, { limit }, id) => {
        let shown = 0;
        if (limit === 0) return exit.ok;
        for await (const call of (await client()).run(id).proxyCalls()) {
          if (print.closed.aborted) break;
          await (print.json ? print.value(call) : print.line(lineOf(call, print.color)));
          shown += 1;
          if (shown === limit) break;
        }
        if (shown === 0) print.hint("No calls");
        return exit.ok;
      }),
    );
  examples(
    calls,
    "airlock proxy-calls run_01kadz3v6m5c0jx9s2qf8t7w4b",
    "airlock proxy-calls run_01kadz3v6m5c0jx9s2qf8t7w4b --json | jq .outcome",
  );
}

function lineOf(call: ProxyCall, color: Printer["color"]): string {
  const { endpointName, method, requestPathRedacted, responseByteSize, durationMs } = call;
  const when = color.dim(plainLine(call.startedAt.slice(0, 19).replace("T", " ")));
  const what = `${plainLine(method).padEnd(6)} ${plainLine(requestPathRedacted)}`;
  const size = `${showBytes(responseByteSize)}, ${showDuration(durationMs)}`;
  return [when, plainLine(endpointName).padEnd(12), `${what}  ${endOf(call, color)}`, size].join(
    "  ",
  );
}

/** How a call ended, and what was done to its answer on the way. */
export function endOf(
  call: Pick<ProxyCall, "outcome" | "modeClamped" | "truncated" | "redacted"> & {
    responseStatus: number | null;
    errorClass: string | null;
  },
  color: Printer["color"],
): string {
  const { outcome, responseStatus, errorClass, modeClamped, truncated, redacted } = call;
  const status = responseStatus === null ? "" : ` ${responseStatus}`;
  const why = errorClass === null ? "" : ` (${plainLine(errorClass)})`;
  const mark = outcome === "ok" ? color.green("✓") : color.red("✗");
  const did = [
    ...(modeClamped ? ["less than was asked for"] : []),
    ...(truncated ? ["cut off"] : []),
    ...(redacted ? ["a secret cut out"] : []),
  ];
  const notes = did.length === 0 ? "" : color.yellow(` [${did.join(", ")}]`);
  return `${mark}${outcome === "ok" ? "" : ` ${outcome}`}${status}${why}${notes}`;
}
