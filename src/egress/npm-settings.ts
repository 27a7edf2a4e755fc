import { readIni } from "./ini.ts";
import { expandHome, type PackageFindings, type PackageSource } from "./package-findings.ts";

const taken = new Set([
  ..."registry strict-ssl replace-registry-host omit-lockfile-registry-resolved".split(" "),
  ..."fetch-retries fetch-retry-factor fetch-retry-maxtimeout fetch-retry-mintimeout".split(" "),
  ..."fetch-timeout maxsockets audit fund update-notifier ignore-scripts before".split(" "),
  ..."min-release-age legacy-peer-deps disturl".split(" "),
]);
const secrets = new Set("_auth _authtoken _password username certfile keyfile key otp".split(" "));

/**
 * npm's files become its global one: a run may still have its own in its home, as a user has on this machine. What a
 * variable of ours sets stays a variable, except for scopes, whose names a shell does not keep.
 */
export function readNpm(source: PackageSource, findings: PackageFindings): void {
  const merged = new Map<string, string>();
  for (const path of npmFiles(source)) {
    const data = source.readFile(path);
    if (data === undefined) continue;
    for (const { key, value } of readIni(data.toString("utf8"), { continued: false })) {
      const name = expand(key, source).replace(/\[\]$/, "");
      const clean = take(`${path}: ${name}`, name, expand(unquoted(value), source), findings);
      if (clean !== undefined) merged.set(name, clean);
    }
  }
  for (const [variable, value] of Object.entries(source.env)) {
    if (!/^npm_config_/i.test(variable) || value === undefined || value === "") continue;
    const rest = variable.slice(11);
    const name = rest.startsWith("//") ? rest : rest.replace(/(?!^)_/g, "-").toLowerCase();
    const clean = take(variable, name, value, findings);
    if (clean === undefined) continue;
    if (name.startsWith("@")) merged.set(name, clean);
    else findings.set(`npm_config_${name.replaceAll("-", "_")}`, clean);
  }
  if (merged.size === 0) return;
  const text = [...merged].map(([key, value]) => `${key}=${quoted(value)}\n`).join("");
  findings.file("npmrc", Buffer.from(text));
  findings.set("npm_config_globalconfig", `${findings.mountedAt}/npmrc`);
}

/** Built in, global, user: npm asks its own place of installation for the first two, which is one of these. */
function npmFiles({ env, home }: PackageSource): string[] {
  const variable = (name: string) =>
    env[`npm_config_${name}`] || env[`NPM_CONFIG_${name.toUpperCase()}`];
  const prefix = variable("prefix") || env.PREFIX;
  const globals = prefix ? [`${prefix}/etc/npmrc`] : ["/usr/etc/npmrc", "/usr/local/etc/npmrc"];
  return [
    "/usr/share/nodejs/npm/npmrc",
    "/usr/lib/node_modules/npm/npmrc",
    "/usr/local/lib/node_modules/npm/npmrc",
    "/etc/npmrc",
    ...[variable("globalconfig") ?? globals].flat(),
    expandHome(variable("userconfig") || `${home}/.npmrc`, home),
  ];
}

function take(
  where: string,
  name: string,
  value: string,
  findings: PackageFindings,
): string | undefined {
  const last = name.slice(name.lastIndexOf(":") + 1).toLowerCase();
  if (secrets.has(last))
    findings.note(`${shown(where)} is a credential, which no sandbox is given`);
  if (last === "cafile") findings.authority(value);
  if (last === "ca") findings.pem(value.replaceAll("\\n", "\n"));
  const isScope = /^@[^:]+:registry$/.test(name);
  if (!isScope && !taken.has(name)) return undefined;
  return last === "registry" || last === "disturl" ? findings.location(where, value) : value;
}

/** A key may hold a login itself, as `//user:password@host/:_authToken` would. */
function shown(where: string): string {
  return where.replace(/\/\/[^/]*@/, "//");
}

function unquoted(value: string): string {
  return /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
}

function expand(text: string, { env }: PackageSource): string {
  return text.replace(/\$\{([^}?]+)(\?)?\}/g, (whole, name: string, maybe: string | undefined) => {
    return env[name] ?? (maybe === undefined ? whole : "");
  });
}

/** As npm itself writes: quotes only around what would read as something else. */
function quoted(value: string): string {
  return /^[\w.:/@+~%-]*$/.test(value) ? value : JSON.stringify(value);
}
