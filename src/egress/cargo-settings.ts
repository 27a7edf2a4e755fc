import { join } from "node:path";

import type { PackageFindings, PackageSource } from "./package-findings.ts";
import { readToml, type TomlSetting } from "./toml.ts";

const sourceKeys = new Set(
  "replace-with registry local-registry directory git branch tag rev".split(" "),
);
const locations = new Set("registry local-registry directory git index".split(" "));
const httpKeys = new Set(
  "check-revoke ssl-version low-speed-limit timeout multiplexing user-agent".split(" "),
);
const netKeys = new Set("retry git-fetch-with-cli".split(" "));

/**
 * Cargo finds the file in `/.cargo`, above every directory that it may start in: its own home is the run's and is
 * written to, and no variable can say that one source replaces another.
 */
export function readCargo(source: PackageSource, findings: PackageFindings): void {
  const { env, home } = source;
  const own = env.CARGO_HOME || join(home, ".cargo");
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value !== "") fromVariable(name, value, findings);
  }
  for (const name of ["credentials.toml", "credentials"].map((each) => join(own, each))) {
    if (source.readFile(name)) findings.note(`${name} holds logins, which no sandbox is given`);
  }
  const path = [join(own, "config"), join(own, "config.toml")].find((each) =>
    source.readFile(each),
  );
  const data = path === undefined ? undefined : source.readFile(path);
  if (path === undefined || data === undefined) return;
  let settings: TomlSetting[];
  try {
    settings = readToml(data.toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    findings.note(`${path} is left out: ${error.message}`);
    return;
  }
  const lines = settings.flatMap(({ path: keys, value }) => {
    const clean = take(`${path}: ${keys.join(".")}`, keys, value, join(own, ".."), findings);
    const name = keys.map((key) => JSON.stringify(key)).join(".");
    return clean === undefined ? [] : [`${name} = ${JSON.stringify(clean)}\n`];
  });
  if (lines.length === 0) return;
  findings.file("cargo/config.toml", Buffer.from(lines.join("")));
  findings.link("/.cargo/config.toml", `${findings.mountedAt}/cargo/config.toml`);
}

function fromVariable(name: string, value: string, findings: PackageFindings): void {
  if (/^CARGO_REGISTR(?:Y|IES_.+)_(?:TOKEN|SECRET_KEY|CREDENTIAL_PROVIDER)$/.test(name)) {
    findings.note(`${name} is a credential, which no sandbox is given`);
  } else if (/^CARGO_REGISTRIES_.+_INDEX$/.test(name)) {
    findings.set(name, findings.location(name, value));
  } else if (/^CARGO_(?:REGISTRIES_.+_PROTOCOL|REGISTRY_DEFAULT)$/.test(name)) {
    findings.set(name, value);
  } else {
    const [, table, key = ""] = /^CARGO_(HTTP|NET)_([A-Z_]+)$/.exec(name) ?? [];
    const known = table === "HTTP" ? httpKeys : netKeys;
    if (table !== undefined && known.has(key.toLowerCase().replaceAll("_", "-"))) {
      findings.set(name, value);
    }
  }
}

function take(
  where: string,
  keys: string[],
  value: TomlSetting["value"],
  base: string,
  findings: PackageFindings,
): TomlSetting["value"] | undefined {
  const [table = "", second = "", third = ""] = keys;
  const last = keys.at(-1) ?? "";
  if (/^(?:token|secret-key|credential-provider|global-credential-providers)$/.test(last)) {
    findings.note(`${where} is a credential, which no sandbox is given`);
    return undefined;
  }
  if (table === "http" && second === "cainfo" && typeof value === "string") {
    findings.authority(value.startsWith("/") ? value : join(base, value));
  }
  const known =
    (table === "source" && keys.length === 3 && sourceKeys.has(third)) ||
    (table === "registries" && keys.length === 3 && /^(?:index|protocol)$/.test(third)) ||
    (table === "registry" && keys.length === 2 && /^(?:default|index)$/.test(second)) ||
    (table === "http" && keys.length === 2 && httpKeys.has(second)) ||
    (table === "net" && keys.length === 2 && netKeys.has(second));
  if (!known) return undefined;
  if (!locations.has(last) || typeof value !== "string") return value;
  const isPath = last === "directory" || last === "local-registry";
  return findings.location(where, isPath && !value.startsWith("/") ? join(base, value) : value);
}
