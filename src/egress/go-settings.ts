import type { PackageFindings, PackageSource } from "./package-findings.ts";

const taken = new Set(
  "GOPROXY GONOPROXY GOPRIVATE GOSUMDB GONOSUMDB GOINSECURE GOVCS GOFLAGS GOTOOLCHAIN".split(" "),
);

/** What `go env -w` wrote, and the variables that win over it; inside, all are variables. */
export function readGo(source: PackageSource, findings: PackageFindings): void {
  const { env, home } = source;
  const settings = new Map<string, { value: string; where: string }>();
  const path = env.GOENV || `${env.XDG_CONFIG_HOME || `${home}/.config`}/go/env`;
  const data = path === "off" ? undefined : source.readFile(path);
  for (const line of data?.toString("utf8").split(/\r?\n/) ?? []) {
    const [, name = "", value = ""] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name !== "") settings.set(name, { value, where: `${path}: ${name}` });
  }
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value !== "") settings.set(name, { value, where: name });
  }
  const login = settings.get("GOAUTH");
  if (login !== undefined && !["off", "netrc"].includes(login.value)) {
    findings.note(`${login.where} is a credential, which no sandbox is given`);
  }
  for (const [name, { value, where }] of settings) {
    if (taken.has(name)) findings.set(name, clean(name, value, where, findings));
  }
}

function clean(name: string, value: string, where: string, findings: PackageFindings): string {
  if (name === "GOPROXY") {
    const parts = value.split(/([,|])/);
    return parts
      .map((part) => (part.length > 1 ? findings.location(where, part.trim()) : part))
      .join("");
  }
  if (name === "GOSUMDB") {
    const [key = "", url] = value.split(/\s+/, 2);
    if (url !== undefined) return `${key} ${findings.location(where, url)}`;
    const host = key.split("+")[0] ?? "";
    if (host.includes(".")) findings.location(where, `https://${host}`);
    return value;
  }
  if (name !== "GOFLAGS") return value;
  // A flag with a path is about files of this machine, such as a program that wraps the compiler.
  const flags = value.split(/\s+/).filter((flag) => flag !== "");
  if (flags.some((flag) => flag.includes("=/")))
    findings.note(`${where} has a path of this machine`);
  return flags.filter((flag) => !flag.includes("=/")).join(" ");
}
