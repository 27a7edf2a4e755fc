import { here, hostAt, hostOfUrl, isLocal, looksLikeHost } from "./hosts.ts";
import type { Call } from "./judge-call.ts";
import type { Judging } from "./judging.ts";
import type { Scope } from "./scope.ts";
import { exactText, type Value } from "./value.ts";

/** Names under which calls take a place, in any language. */
const placeNames =
  /^(url|uri|host|hostname|address|addr|target|server|endpoint|endpoint_url|base_?url|dsn|origin|broker|bootstrap_servers|remote_address|Addr|Host|URL|BaseURL|proxy|proxies)$/i;

/** The port that a call means when it names none. */
const defaults: readonly [RegExp, number][] = [
  [/https|ssl|tls|HTTPSConnection/i, 443],
  [/http/i, 80],
  [/ftp/i, 21],
  [/smtp/i, 25],
  [/imap/i, 143],
  [/telnet/i, 23],
  [/ssh|sftp|paramiko|fabric/i, 22],
  [/redis/i, 6379],
  [/psycopg|asyncpg|^pg\b|postgres|pgx/i, 5432],
  [/mysql/i, 3306],
  [/mongo/i, 27017],
];

/** The hosts that a call names: null for one that is not known, `here`; nothing when it names none. */
export function hostsOf(
  path: string,
  call: Call,
  scope: Scope,
  { values }: Judging,
): (string | null)[] {
  const fallback = defaults.find(([pattern]) => pattern.test(path))?.[1] ?? null;
  const found: (string | null)[] = [];
  const args = call.args.slice(0, 4).map((arg) => values(arg, scope));
  const numbers = args.map((set) => set.find((value) => value.is === "number"));
  const port = [...numbers, ...named(call, scope, values, /^port$/i)].find(
    (value) => value?.is === "number",
  );
  const given = port?.is === "number" ? port.number : fallback;
  for (const value of [...args.flat(), ...named(call, scope, values, placeNames)]) {
    found.push(...placesIn(value, given));
  }
  return [...new Set(found)];
}

function named(call: Call, scope: Scope, values: Judging["values"], pattern: RegExp): Value[] {
  return call.named
    .filter((each) => pattern.test(each.name))
    .flatMap((each) => values(each.value, scope));
}

function placesIn(value: Value, port: number | null): (string | null)[] {
  if (value.is === "text") return placesInText(value.text, port);
  if (value.is === "list") {
    const [first = [], second = []] = value.items;
    const number = second.find((each) => each.is === "number");
    const own = number?.is === "number" ? number.number : port;
    return first.flatMap((each) => (each.is === "text" ? placesInText(each.text, own) : []));
  }
  if (value.is !== "map") return [];
  const texts = (name: string) => (value.entries.get(name) ?? []).map(exactText);
  const own = (value.entries.get("port") ?? []).find((each) => each.is === "number");
  const scheme = texts("protocol").find((text) => text !== undefined);
  const fromScheme = scheme === undefined ? port : scheme.startsWith("https") ? 443 : 80;
  const number = own?.is === "number" ? own.number : fromScheme;
  return ["host", "hostname", "address", "url", "baseURL", "uri"]
    .flatMap((name) => texts(name))
    .flatMap((text) => (text === undefined ? [] : placesInText(text, number)));
}

function placesInText(text: string, port: number | null): (string | null)[] {
  const url = hostOfUrl(text);
  if (url !== undefined) return [url];
  const bare = text.trim();
  if (isLocal(bare.replace(/:\d+$/, ""))) return [here];
  const hasPort = /^[^\s/:]+:\d{1,5}$/.test(bare) || /^\[[^\]]+\]:\d+$/.test(bare);
  if (!hasPort && !looksLikeHost(bare)) return [];
  const host = hostAt(bare, port);
  return host === undefined ? [] : [host];
}
