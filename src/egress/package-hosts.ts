import { readCargo } from "./cargo-settings.ts";
import { readGo } from "./go-settings.ts";
import { readNpm } from "./npm-settings.ts";
import {
  openPackageFindings,
  type PackageFindings,
  type PackageSource,
} from "./package-findings.ts";
import { hostPackageSource } from "./package-source.ts";
import { readPip } from "./pip-settings.ts";

export interface PackageHosts {
  python: string[];
  javascript: string[];
  go: string[];
  rust: string[];
  other: string[];
}

/** What the clients of each ecosystem talk to when nothing tells them otherwise. */
const asTheyCome: PackageHosts = {
  python: ["files.pythonhosted.org:443", "pypi.org:443"],
  javascript: ["registry.npmjs.org:443"],
  go: ["proxy.golang.org:443", "sum.golang.org:443"],
  rust: ["index.crates.io:443", "static.crates.io:443"],
  other: [],
};

/**
 * Where packages come from on this machine, host:port by ecosystem: what its configuration says, else what the clients
 * do by themselves. So a person can be told what an install would reach before anything is reached.
 */
export function packageHosts(
  options: Partial<PackageSource> & Pick<PackageSource, "env">,
): PackageHosts {
  const source: PackageSource = { ...hostPackageSource(options.env), ...options };
  const configured = (read: (source: PackageSource, findings: PackageFindings) => void) => {
    const findings = openPackageFindings(source, "/");
    read(source, findings);
    return findings.result().addresses.sort();
  };
  const hosts = {
    ...{ python: configured(readPip), javascript: configured(readNpm) },
    ...{ go: configured(readGo), rust: configured(readCargo), other: [] },
  };
  const orElse = (name: keyof PackageHosts) =>
    hosts[name].length > 0 ? hosts[name] : asTheyCome[name];
  return {
    ...{ python: orElse("python"), javascript: orElse("javascript") },
    ...{ go: orElse("go"), rust: orElse("rust"), other: [] },
  };
}
