/** One host pattern, read. Without a port it means 443 and 80. */
interface HostPattern {
  match: "any" | "below" | "exact";
  name: string;
  port: number | undefined;
}

/** Whether one of the patterns covers `host:port`; without a port, 443 is meant. */
export function hostsCover(patterns: readonly string[], target: string): boolean {
  const { name, port = 443 } = readPattern(target);
  return patterns.some((text) => {
    const pattern = readPattern(text);
    const isPort = pattern.port === undefined ? port === 443 || port === 80 : pattern.port === port;
    return isPort && coversName(pattern, name);
  });
}

/** What both lists cover: of two patterns that overlap, the narrower one. */
export function narrowedHosts(left: readonly string[], right: readonly string[]): string[] {
  const both = left.flatMap((one) => right.flatMap((other) => overlap(one, other) ?? []));
  return [...new Set(both)];
}

/** `host:port` in one spelling, so that the same host is asked for once. */
export function spelledHost(target: string): string {
  const { name, port = 443 } = readPattern(target);
  return `${name}:${port}`;
}

function overlap(left: string, right: string): string | undefined {
  const [one, other] = [readPattern(left), readPattern(right)];
  const port = commonPort(one.port, other.port);
  if (port === "none") return undefined;
  const narrower = narrowerName(one, other) ?? narrowerName(other, one);
  if (narrower === undefined) return undefined;
  if (narrower === one && port === one.port) return left;
  if (narrower === other && port === other.port) return right;
  const { match, name } = narrower;
  const host = match === "any" ? "*" : match === "below" ? `*.${name}` : name;
  return port === undefined ? host : `${host}:${port}`;
}

/** The first of the two, when the second covers all of its names. */
function narrowerName(one: HostPattern, other: HostPattern): HostPattern | undefined {
  if (other.match === "any") return one;
  if (one.match === "any") return undefined;
  if (one.match === "below") {
    const isBelow = one.name === other.name || one.name.endsWith(`.${other.name}`);
    return other.match === "below" && isBelow ? one : undefined;
  }
  return coversName(other, one.name) ? one : undefined;
}

function commonPort(
  left: number | undefined,
  right: number | undefined,
): number | undefined | "none" {
  if (left === right) return left;
  if (left !== undefined && right !== undefined) return "none";
  const only = left ?? right;
  return only === 443 || only === 80 ? only : "none";
}

function coversName({ match, name }: HostPattern, host: string): boolean {
  if (match === "any") return true;
  return match === "below" ? host.endsWith(`.${name}`) : host === name;
}

function readPattern(text: string): HostPattern {
  const found = /^(.*?|\[.*\])(?::(\d+))?$/s.exec(text.toLowerCase());
  const host = (found?.[1] ?? "").replace(/\.$/, "");
  const port = found?.[2] === undefined ? undefined : Number(found[2]);
  if (host === "*") return { match: "any", name: "", port };
  if (host.startsWith("*.")) return { match: "below", name: host.slice(2), port };
  return { match: "exact", name: host, port };
}
