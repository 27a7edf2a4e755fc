import { readIni } from "./ini.ts";
import type { PackageFindings, PackageSource } from "./package-findings.ts";

const locations = new Set(["index-url", "extra-index-url", "find-links"]);
const taken = new Set([
  ...locations,
  ..."trusted-host no-index pre prefer-binary only-binary no-binary".split(" "),
  ..."timeout default-timeout retries disable-pip-version-check".split(" "),
]);

/** pip's files, in the order in which a later one wins, become one; its variables stay variables, which win over all. */
export function readPip(source: PackageSource, findings: PackageFindings): void {
  const merged = new Map<string, Map<string, string>>();
  for (const path of pipFiles(source)) {
    const data = source.readFile(path);
    if (data === undefined) continue;
    for (const { section, key, value } of readIni(data.toString("utf8"), { continued: true })) {
      const name = settingName(key);
      const clean = take(`${path}: ${section}.${name}`, name, value, findings);
      if (clean === undefined) continue;
      const settings = merged.get(section) ?? new Map<string, string>();
      merged.set(section, settings.set(name, clean));
    }
  }
  for (const [variable, value] of Object.entries(source.env)) {
    if (!/^PIP_[A-Z_]+$/.test(variable) || value === undefined || value === "") continue;
    const clean = take(variable, settingName(variable.slice(4)), value, findings);
    if (clean !== undefined) findings.set(variable, clean.replaceAll("\n", " "));
  }
  if (merged.size === 0) return;
  const text = [...merged].map(([section, settings]) => {
    const lines = [...settings].map(
      ([key, value]) => `${key} = ${value.replaceAll("\n", "\n    ")}\n`,
    );
    return `[${section}]\n${lines.join("")}`;
  });
  findings.file("pip.conf", Buffer.from(text.join("\n")));
  findings.set("PIP_CONFIG_FILE", `${findings.mountedAt}/pip.conf`);
}

function pipFiles({ env, home }: PackageSource): string[] {
  const own = env.PIP_CONFIG_FILE;
  if (own === "/dev/null") return [];
  const shared = (env.XDG_CONFIG_DIRS || "/etc/xdg").split(":").filter((each) => each !== "");
  return [
    ...shared.map((each) => `${each}/pip/pip.conf`),
    "/etc/pip.conf",
    ...(own ? [] : [`${home}/.pip/pip.conf`]),
    ...(own ? [] : [`${env.XDG_CONFIG_HOME || `${home}/.config`}/pip/pip.conf`]),
    env.VIRTUAL_ENV ? `${env.VIRTUAL_ENV}/pip.conf` : "/usr/pip.conf",
    ...(own ? [own] : []),
  ];
}

function settingName(key: string): string {
  return key.toLowerCase().replaceAll("_", "-").replace(/^--/, "");
}

function take(
  where: string,
  name: string,
  value: string,
  findings: PackageFindings,
): string | undefined {
  if (name === "cert") findings.authority(value);
  if (name === "client-cert") findings.note(`${where} is a key, which no sandbox is given`);
  if (!taken.has(name)) return undefined;
  if (!locations.has(name)) return value;
  const each = value.split(/\s+/).filter((one) => one !== "");
  return each.map((one) => findings.location(where, one)).join("\n");
}
