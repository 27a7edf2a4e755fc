import type { McpServer } from "../contract/mcp-server.ts";
import { usage } from "./exit.ts";
import { cutNewline } from "./read-secret.ts";
import { readSecretFile, type ValueReader } from "./read-value.ts";

/** The flags that give a run remote tool servers. */
export interface McpFlags {
  mcp?: string[] | undefined;
  mcpAuth?: string[] | undefined;
}

type Draft = Record<string, unknown>;
type Env = Record<string, string | undefined>;

/** A declared server; what else it has is held against the contract by the client. */
type Declared = Partial<McpServer> & { name?: string; url?: string };

interface Credentials {
  name: string;
  url: string;
  headers: Record<string, string>;
}

/**
 * Takes the headers of servers out of a configuration and puts them where secrets are: what is declared is written down, and
 * a header mostly is a credential. Throws when both places have some for one server.
 */
export function splitHeaders(draft: Draft, where: string): void {
  const servers = listOf(draft.mcpServers, `${where}: mcpServers`);
  const split = servers.map((server, index) => {
    if (typeof server !== "object" || server === null) return server;
    const { headers, ...declared } = server as Declared & { headers?: unknown };
    if (headers === undefined) return declared;
    const { name = "", url = "" } = declared;
    const secrets = objectOf(draft.secrets);
    const given = listOf(secrets.mcpServers, `${where}: secrets.mcpServers`) as Credentials[];
    if (given.some((one) => one.name === name)) {
      throw usage(
        `${where}: mcpServers[${index}] has headers, and secrets.mcpServers has some for ${JSON.stringify(name)} too`,
        "Keep one of the two",
      );
    }
    const own = { name, url, headers: headers as Record<string, string> };
    draft.secrets = { ...secrets, mcpServers: [...given, own] };
    return declared;
  });
  if (draft.mcpServers !== undefined) draft.mcpServers = split;
}

/** Adds servers and their credentials to a submission: to those of a configuration, by name. */
export async function addMcp(
  draft: Draft,
  { mcp, mcpAuth }: McpFlags,
  reader: ValueReader,
  env: Env,
): Promise<void> {
  if (mcp === undefined && mcpAuth === undefined) return;
  const servers = listOf(draft.mcpServers, "mcpServers") as Declared[];
  const fresh = new Set<string>();
  for (const text of mcp ?? []) {
    const found = /^([^=]*)=(.+)$/s.exec(text);
    if (found === null) throw usage(`--mcp: expected NAME=URL, got ${JSON.stringify(text)}`);
    const [, name = "", url = ""] = found;
    if (fresh.has(name)) throw usage(`--mcp: ${JSON.stringify(name)} is given twice`);
    fresh.add(name);
    const at = servers.findIndex((server) => server.name === name);
    servers.splice(at === -1 ? servers.length : at, at === -1 ? 0 : 1, { name, url });
  }
  if (servers.length > 0) draft.mcpServers = servers;
  const secrets = objectOf(draft.secrets);
  const before = listOf(secrets.mcpServers, "secrets.mcpServers") as Credentials[];
  // A server that a flag has put elsewhere must not get what was meant for another address.
  const kept = before.filter(({ name }) => !fresh.has(name));
  const said = new Set<string>();
  for (const text of mcpAuth ?? []) await addAuth(text, { servers, kept, said, reader, env });
  if (kept.length > 0) draft.secrets = { ...secrets, mcpServers: kept };
  else if ("mcpServers" in secrets) {
    const { mcpServers: _, ...rest } = secrets;
    draft.secrets = rest;
  }
}

interface Given {
  servers: Declared[];
  kept: Credentials[];
  /** `server header`, lower case: given by flags before. */
  said: Set<string>;
  reader: ValueReader;
  env: Env;
}

async function addAuth(text: string, { servers, kept, said, reader, env }: Given): Promise<void> {
  const found = /^([^=]*)=([^:]*):(.+)$/s.exec(text);
  // Does not quote what it found: it may be the credential.
  if (found === null) {
    throw usage(
      "--mcp-auth: expected NAME=HEADER:VALUE, or NAME=env:VAR, NAME=file:PATH, NAME=secret:NAME",
    );
  }
  const [, name = "", word = "", value = ""] = found;
  const server = servers.find((one) => one.name === name);
  if (server === undefined) {
    const known = servers.map((one) => one.name).join(", ");
    throw usage(
      `--mcp-auth: there is no MCP server ${JSON.stringify(name)}`,
      known === "" ? "Declare it with --mcp NAME=URL" : `There are: ${known}`,
    );
  }
  const isBearer = /^(env|file|secret)$/.test(word);
  const header = isBearer ? "Authorization" : word;
  const key = `${name} ${header.toLowerCase()}`;
  if (said.has(key)) throw usage(`--mcp-auth: the header ${header} of ${name} is given twice`);
  said.add(key);
  if (word === "secret") {
    server.secret = value;
    return;
  }
  let own = kept.find((one) => one.name === name);
  if (own === undefined) {
    own = { name, url: server.url ?? "", headers: {} };
    kept.push(own);
  }
  const others = Object.entries(own.headers).filter(
    ([one]) => one.toLowerCase() !== header.toLowerCase(),
  );
  const whole = isBearer
    ? `Bearer ${await bearer(word, value, env)}`
    : cutNewline(await reader.read("--mcp-auth", value));
  own.headers = { ...Object.fromEntries(others), [header]: whole };
}

async function bearer(source: string, from: string, env: Env): Promise<string> {
  if (source === "file") return cutNewline(await readSecretFile("--mcp-auth", from));
  const value = env[from];
  if (value !== undefined && value !== "") return value;
  throw usage(`--mcp-auth: the variable ${JSON.stringify(from)} is not set`);
}

function listOf(value: unknown, where: string): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return [...value];
  throw usage(`${where} must be a list`);
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
