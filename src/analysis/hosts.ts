import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { hole } from "./value.ts";

/** Stands for a host that is this machine: a sandbox has a loopback of its own, on which nobody else is. */
export const here = "";

/** What a text points to. Host is `host:port`, or null when it is not known. */
export interface Pointed {
  kind: "url" | "address";
  host: string | null;
}

/** The port that a scheme stands for; null: the name after it is not that of a host. */
const ports: Readonly<Record<string, number | null>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  ftp: 21,
  ftps: 990,
  sftp: 22,
  scp: 22,
  ssh: 22,
  git: 9418,
  telnet: 23,
  rsync: 873,
  smtp: 25,
  smtps: 465,
  imap: 143,
  imaps: 993,
  pop3: 110,
  pop3s: 995,
  ldap: 389,
  ldaps: 636,
  redis: 6379,
  rediss: 6379,
  postgres: 5432,
  postgresql: 5432,
  mysql: 3306,
  mariadb: 3306,
  mssql: 1433,
  sqlserver: 1433,
  mongodb: 27017,
  amqp: 5672,
  amqps: 5671,
  mqtt: 1883,
  mqtts: 8883,
  nats: 4222,
  grpc: 443,
  dict: 2628,
  gopher: 70,
  irc: 6667,
  svn: 3690,
  s3: null,
  gs: null,
  "mongodb+srv": null,
  tcp: null,
  udp: null,
  tls: null,
};

/** They name things, and nobody fetches them. */
const names = new Set([
  "www.w3.org",
  "json-schema.org",
  "schemas.xmlsoap.org",
  "schemas.microsoft.com",
  "schemas.openxmlformats.org",
  "schemas.android.com",
  "schema.org",
  "purl.org",
  "xmlns.com",
  "ns.adobe.com",
  "www.opengis.net",
  "www.sitemaps.org",
]);

/** Ends of file names that are also ends of host names: `main.py:12` is a place in a file. */
const fileEnds =
  /\.(py|rs|sh|ts|js|md|go|c|h|cc|cpp|java|rb|pl|so|txt|json|toml|yaml|yml|log|mjs|tsx|jsx|lock|zip|mov)$/i;

const url = /([a-z][a-z\d+.-]{1,20}):[\\/]{2,}([^\s/?#\\"'<>`]*)/gi;

/**
 * What a literal of code points to: URLs, addresses and `host:port` that it consists of or names after a quote or an
 * equals sign. A URL within a sentence is prose. This machine itself is nowhere.
 */
export function pointedTo(text: string): Pointed[] {
  const found: Pointed[] = [];
  for (const match of text.matchAll(url)) {
    const before = text.slice(0, match.index).split("\n").at(-1) ?? "";
    if (before.trim() !== "" && !/[='"`,:@[{|]$/.test(before)) continue;
    const host = hostOfUrl(match[0]);
    if (
      host === undefined ||
      host === here ||
      (host !== null && names.has(host.replace(/:\d+$/, "")))
    )
      continue;
    found.push({ kind: "url", host });
  }
  if (found.length > 0) return found;
  const bare = text.trim();
  if (bare.length > 300) return [];
  const address = isNamePort(bare) ? hostAt(bare, null) : addressIn(bare);
  return address === undefined || address === here ? [] : [{ kind: "address", host: address }];
}

function isNamePort(text: string): boolean {
  return (
    /^([a-z\d-]+\.)+[a-z]{2,24}\.?:\d{1,5}$/i.test(text) &&
    !fileEnds.test(text.replace(/:\d+$/, ""))
  );
}

/** The host of a URL, null when it is not known, `here`; undefined when it is no URL of the network. */
export function hostOfUrl(text: string): string | null | undefined {
  const match = /^\s*(?:[a-z]+:)?([a-z][a-z\d+.-]{1,20}):[\\/]{1,}([^\s/?#\\"'<>`]*)/i.exec(text);
  if (match === null) return undefined;
  const scheme = (match[1] ?? "").toLowerCase();
  const bare = /^(git|hg|svn|bzr|pip)\+/.exec(scheme)
    ? scheme.slice(scheme.indexOf("+") + 1)
    : scheme;
  const authority = (match[2] ?? "").slice((match[2] ?? "").lastIndexOf("@") + 1);
  const port = Object.hasOwn(ports, bare) ? ports[bare] : undefined;
  if (bare === "file") return here;
  if (authority === "" || port === undefined) return undefined;
  const name = authority.replace(/:(\d+|\ufffc)$/, "").replace(/^\[|\]$/g, "");
  if (isLocal(spelled(name) ?? name)) return here;
  if (port === null && !/:\d+$/.test(authority)) return null;
  return authority.includes(hole) ? null : (hostAt(authority, port) ?? null);
}

/**
 * `name`, `name:port`, `1.2.3.4`, `[::1]:80` in the spelling of rules, or `here`; undefined for what is no
 * host, null when no port is known.
 */
export function hostAt(text: string, defaultPort: number | null): string | null | undefined {
  const match =
    /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? (isIPv6(text) ? ["", text] : null);
  if (match === null) return text.includes(hole) ? null : undefined;
  const name = (match[1] ?? "").replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  const host = spelled(name);
  if (host === undefined) return undefined;
  if (isLocal(host)) return here;
  return port === null || port < 1 || port > 65_535 ? null : `${host}:${port}`;
}

/** A whole text that is an address of the internet, with or without port or prefix length. */
function addressIn(text: string): string | null | undefined {
  const v4 = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}|\ufffc))?(?:\/\d{1,2})?$/.exec(text);
  const v6 = /^\[?([\da-f:.]+)\]?(?::\d{1,5})?(?:\/\d{1,3})?$/i.exec(text);
  if (v4 !== null) {
    const address = v4[1] ?? "";
    if (!isIPv4(address) || /^(0|255)\./.test(address) || isLocal(address)) return undefined;
    const port = v4[2] ?? "";
    return /^\d+$/.test(port) ? `${address}:${port}` : null;
  }
  if (v6 === null || text.split(":").length < 4 || !/\d/.test(text)) return undefined;
  const whole = text.startsWith("[")
    ? text.slice(1, text.indexOf("]"))
    : text.replace(/\/\d+$/, "");
  if (!isIPv6(whole) || isLocal(whole)) return undefined;
  return text.startsWith("[") && /\]:\d+$/.test(text) ? (hostAt(text, null) ?? null) : null;
}

function spelled(name: string): string | undefined {
  if (isIPv6(name)) return new URL(`http://[${name}]/`).hostname;
  if (!/^[\p{L}\p{N}_.-]+$/u.test(name) || name.length > 253) return undefined;
  const ascii = domainToASCII(name).toLowerCase();
  if (ascii === "") return undefined;
  const number = /^(\d+|0x[\da-f]*)$/.test(ascii.split(".").at(-1) ?? "");
  if (!number) return ascii;
  return URL.canParse(`http://${ascii}/`) ? new URL(`http://${ascii}/`).hostname : undefined;
}

/** This machine, in its spellings. */
export function isLocal(host: string): boolean {
  const name = host
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1" || name === "::")
    return true;
  return name === "0.0.0.0" || name === "127.0.0.1";
}

/** A text that a network call takes for a host: a name with a dot that is not that of a file, or an address. */
export function looksLikeHost(text: string): boolean {
  if (isIPv4(text) || isIPv6(text)) return true;
  return /^([a-z\d_-]+\.)+[a-z]{2,24}\.?$/i.test(text) && !fileEnds.test(text);
}
