import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

/** A host as it is compared, resolved and dialled: one spelling for each. */
export interface Host {
  kind: "name" | "ipv4" | "ipv6";
  /** Lower-case ASCII without a trailing dot; an address in its shortest form, without brackets. */
  text: string;
}

export interface Target {
  host: Host;
  port: number;
}

/**
 * One parser for what the operator lists and what a sandbox asks for, so that both mean the same host. Undefined for
 * whatever is not plainly a name or an address: user information, escapes, NUL, a path, a name that is too long.
 */
export function parseHost(text: string): Host | undefined {
  if (text.length === 0 || text.length > 1024) return undefined;
  if (text.startsWith("[")) return text.endsWith("]") ? ipv6(text.slice(1, -1)) : undefined;
  if (text.includes(":")) return ipv6(text);
  // ASCII is checked before IDN mapping, which would quietly drop or decode what must be refused.
  if (/[\x00-\x7f]/.test(text) && !/^[\w.-]+$/.test(text.replace(/[^\x00-\x7f]/g, ""))) {
    return undefined;
  }
  const ascii = domainToASCII(text.endsWith(".") ? text.slice(0, -1) : text).toLowerCase();
  const labels = ascii.split(".");
  // The resolver of libc reads 2130706433, 0x7f.1 and 0177.0.0.1 as addresses, so they are addresses here.
  if (/^(\d+|0x[\da-f]*)$/.test(labels.at(-1) ?? "")) return ipv4(ascii);
  const well = (label: string) => /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/.test(label);
  if (ascii.length > 253 || !labels.every(well)) return undefined;
  return { kind: "name", text: ascii };
}

/** `host:port`, as CONNECT names its target. The port is required unless a default is given. */
export function parseTarget(text: string, defaultPort?: number): Target | undefined {
  const at = text.startsWith("[") ? text.indexOf("]:") + 1 : text.lastIndexOf(":");
  const bare = at <= 0;
  const host = parseHost(bare ? text : text.slice(0, at));
  const port = bare ? defaultPort : parsePort(text.slice(at + 1));
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** A host as it is written before a colon and a port. */
export function hostText({ host }: Target): string {
  return host.kind === "ipv6" ? `[${host.text}]` : host.text;
}

/** A port in plain decimal, 1 to 65535. */
export function parsePort(text: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function ipv4(text: string): Host | undefined {
  if (!/^[\da-fx.]+$/.test(text) || !URL.canParse(`http://${text}/`)) return undefined;
  return { kind: "ipv4", text: new URL(`http://${text}/`).hostname };
}

function ipv6(text: string): Host | undefined {
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return { kind: "ipv6", text: new URL(`http://[${text}]/`).hostname.slice(1, -1) };
}
