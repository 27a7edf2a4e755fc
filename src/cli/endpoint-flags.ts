import { usage } from "./exit.ts";
import { cutNewline } from "./read-secret.ts";
import { readSecretFile, type ValueReader } from "./read-value.ts";

/** The flags that give a run endpoints and secrets. */
export interface EndpointFlags {
  proxyEndpoint?: string[];
  proxyAuth?: string[];
  secretEnv?: string[];
}

type Draft = Record<string, unknown>;
type Env = Record<string, string | undefined>;

/** A member of a submission whose parts may be anything: the client holds them against the contract. */
interface Declared {
  name?: unknown;
  authShape?: { type?: unknown };
}

/**
 * Adds what the flags say to a submission: endpoints behind those of `--config`, credentials and secrets in place of those
 * of the same name. No value is taken from the command line, where everybody can see it in `ps`.
 */
export async function addEndpoints(
  draft: Draft,
  flags: EndpointFlags,
  reader: ValueReader,
  env: Env,
): Promise<void> {
  const { proxyEndpoint, proxyAuth, secretEnv } = flags;
  const declared = listOf(draft.proxyEndpoints, "proxyEndpoints");
  for (const text of proxyEndpoint ?? []) declared.push(await readEndpoint(text, reader));
  const isDeclared = (one: unknown) => typeof one === "object" && one !== null;
  const at = declared.findIndex((one) => !isDeclared(one) || !("authShape" in (one as object)));
  if (at !== -1) {
    const example = '{"authShape":{"type":"bearer"}, …}';
    throw usage(`Proxy endpoint ${at + 1} has no authShape`, `Expected an object: ${example}`);
  }
  if (declared.length > 0) draft.proxyEndpoints = declared;
  const secrets = objectOf(draft.secrets);
  if (proxyAuth !== undefined) {
    const auth = listOf(secrets.proxyEndpointAuth, "secrets.proxyEndpointAuth") as Declared[];
    for (const text of proxyAuth) {
      const one = await readAuth(text, declared as Declared[], env);
      const before = auth.findIndex(({ name }) => name === one.name);
      auth.splice(before === -1 ? auth.length : before, before === -1 ? 0 : 1, one);
    }
    secrets.proxyEndpointAuth = auth;
  }
  if (secretEnv !== undefined) {
    const given = await Promise.all(secretEnv.map((text) => readSecretEnv(text, env)));
    secrets.env = { ...objectOf(secrets.env), ...Object.fromEntries(given) };
  }
  if (Object.keys(secrets).length > 0) draft.secrets = secrets;
}

async function readEndpoint(text: string, reader: ValueReader): Promise<unknown> {
  const json = await reader.read("--proxy-endpoint", text);
  try {
    return JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // The parser's message quotes the text, and somebody may have put a credential into it.
    throw usage("--proxy-endpoint: expected a JSON object, or @FILE with one");
  }
}

async function readAuth(
  text: string,
  declared: readonly Declared[],
  env: Env,
): Promise<{ name: string }> {
  const remedy = "Give NAME=env:VAR, NAME=file:PATH or NAME=secret:NAME";
  const found = /^([^=]*)=(env|file|secret):(.+)$/s.exec(text);
  if (found === null) throw fromCommandLine("--proxy-auth", remedy);
  const [, name = "", source = "", from = ""] = found;
  if (source === "secret") return { name, secret: from } as { name: string };
  const shape = declared.find((one) => one.name === name)?.authShape?.type;
  if (shape === undefined) {
    throw usage(
      `--proxy-auth: there is no proxy endpoint ${JSON.stringify(name)}`,
      "Declare it with --proxy-endpoint or --config",
    );
  }
  if (shape === "none") {
    throw usage(
      `--proxy-auth: the endpoint ${JSON.stringify(name)} takes no credential`,
      "Leave it out, or declare another authShape",
    );
  }
  const value = await readFrom("--proxy-auth", source, from, env);
  return { name, value: shapedValue(shape, value, `${source}:${from}`) } as { name: string };
}

/** A value in the shape of its endpoint. One that has no shape of ours is left to the contract to refuse. */
function shapedValue(shape: unknown, value: string, where: string): object {
  if (shape === "bearer") return { type: shape, token: value };
  if (shape !== "basic") return { type: shape, value };
  const at = value.indexOf(":");
  if (at <= 0) throw usage(`--proxy-auth: expected USER:PASSWORD in ${where}`);
  return { type: shape, username: value.slice(0, at), password: value.slice(at + 1) };
}

async function readSecretEnv(text: string, env: Env): Promise<[string, string]> {
  const at = text.indexOf("=");
  if (at === -1) return [text, await readFrom("--secret-env", "env", text, env)];
  const found = /^(env|file):(.+)$/s.exec(text.slice(at + 1));
  const remedy = "Give NAME, which takes it from your environment, NAME=env:VAR or NAME=file:PATH";
  if (found === null) throw fromCommandLine("--secret-env", remedy);
  const [, source = "", from = ""] = found;
  return [text.slice(0, at), await readFrom("--secret-env", source, from, env)];
}

async function readFrom(flag: string, source: string, from: string, env: Env): Promise<string> {
  if (source === "file") return cutNewline(await readSecretFile(flag, from));
  const value = env[from];
  if (value !== undefined && value !== "") return value;
  throw usage(`${flag}: the variable ${JSON.stringify(from)} is not set`);
}

/** Does not quote what it found: it may be the value. */
function fromCommandLine(flag: string, remedy: string) {
  return usage(`${flag}: a value on the command line can be seen by everybody in \`ps\``, remedy);
}

function listOf(value: unknown, where: string): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return [...value];
  throw usage(`--config: ${where} must be a list`);
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
