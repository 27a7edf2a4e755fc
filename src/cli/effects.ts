import { type EventData, isEvent, type LiveEvent, type RunEvent } from "../contract/event.ts";
import { showDuration } from "./duration.ts";
import { plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { endOf } from "./proxy-calls.ts";
import { count, showBytes } from "./words.ts";

/**
 * What a run did beyond its sandbox, as people read it: what a call may reach, what it reached and what was refused to it,
 * and the layers, artifacts and evidence that came of it.
 */
export function effectLines(event: RunEvent | LiveEvent, color: Printer["color"]): string[] {
  if (!("seq" in event)) return [];
  if (isEvent(event, "call.decided")) return mayReach(event.data.hosts ?? [], color);
  if (isEvent(event, "egress.allowed")) {
    const { host, port, bytes_up, bytes_down } = event.data;
    const moved = `${showBytes(bytes_down)} down, ${showBytes(bytes_up)} up`;
    return [color.dim(`  ↗ ${plainLine(host)}:${port}  ${moved}`)];
  }
  if (isEvent(event, "egress.denied")) {
    const { host, port, reason } = event.data;
    const where = port === null ? plainLine(host) : `${plainLine(host)}:${port}`;
    return [`  ${color.red("✗")} ${where} was not reached: ${plainLine(reason)}`];
  }
  if (isEvent(event, "proxy.called")) return [calledLine(event.data, color)];
  if (isEvent(event, "secret.seen")) {
    const where = plainLine(event.data.surface);
    return [color.red(`! the run's canary appeared in ${where}: something reads credentials`)];
  }
  if (isEvent(event, "artifact.proved")) {
    const { passed, isolation } = event.data;
    const mark = passed ? color.green("✓") : color.red("✗");
    const verdict = passed ? "runs" : "does not run";
    return [`  ${mark} proved: it ${verdict} without network, isolation grade ${isolation.grade}`];
  }
  if (isEvent(event, "environment.prepared")) return layerLines(event.data.layers, color);
  if (!isEvent(event, "call.finished")) return [];
  const { layers = [], artifact } = event.data;
  const lines = layerLines(layers, color);
  if (artifact) {
    lines.push(`  ${color.cyan("◆")} ${artifact.artifact_id}  ${artifact.artifact_ref}`);
  }
  return lines;
}

type Layers = NonNullable<EventData<"call.finished">["layers"]>;

function layerLines(layers: Layers, color: Printer["color"]): string[] {
  return layers.map(({ layer_id, name, file_count, size_bytes, cached }) => {
    const size = `${count(file_count, "file")}, ${showBytes(size_bytes)}`;
    const from = cached ? ", from the build cache" : "";
    return `  ${color.cyan("◆")} ${layer_id}  ${plainLine(name)}: ${size}${from}`;
  });
}

function calledLine(data: EventData<"proxy.called">, color: Printer["color"]): string {
  const { endpoint, method, path, status, error, outcome, response_bytes, duration_ms } = data;
  const end = endOf(
    {
      ...{ outcome, responseStatus: status, errorClass: error, modeClamped: data.mode_clamped },
      ...{ truncated: data.truncated, redacted: data.redacted },
    },
    color,
  );
  const cost = color.dim(`${showBytes(response_bytes)}, ${showDuration(duration_ms)}`);
  return `  ⇄ ${plainLine(endpoint)}  ${plainLine(method)} ${plainLine(path)}  ${end}  ${cost}`;
}

function mayReach(hosts: readonly string[], color: Printer["color"]): string[] {
  if (hosts.length === 0) return [];
  const isAny = hosts.some((host) => host === "*" || host.startsWith("*:"));
  if (isAny) return [color.yellow("! the next call may reach any public host")];
  const shown = hosts.slice(0, 4).map(plainLine).join(", ");
  const more = hosts.length > 4 ? ` and ${hosts.length - 4} more` : "";
  return [color.dim(`  may reach ${shown}${more}`)];
}
