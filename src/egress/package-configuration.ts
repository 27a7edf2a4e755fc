import { readAuthorities } from "./authorities.ts";
import { readCargo } from "./cargo-settings.ts";
import { readGit } from "./git-settings.ts";
import { readGo } from "./go-settings.ts";
import { loopbackHosts } from "./loopback-hosts.ts";
import { readNpm } from "./npm-settings.ts";
import { openPackageFindings, type PackageSource } from "./package-findings.ts";
import { hostPackageSource } from "./package-source.ts";
import { readPip } from "./pip-settings.ts";

/** Where the files of a package configuration are, inside. */
const mountedAt = "/airlock-config";

/** What a build call is given so that package clients find what they find on this machine, less every credential. */
export interface PackageConfiguration {
  /** For build calls, beside `networkEnvironment`. Nothing in it is secret. */
  environment: Record<string, string>;
  /** To be mounted read-only, together, at `/airlock-config`. Paths are relative to it. */
  files: { path: string; data: Buffer }[];
  /** Symbolic links to make inside before the command, for clients that no variable leads to their file. */
  links: { path: string; target: string }[];
  /** Directories of this machine that hold local indexes, to be mounted read-only at their own path. */
  mounts: { source: string; target: string }[];
  /** The hosts that the configuration names, with a port when it is not the scheme's. */
  hosts: string[];
  /** The same, each with its port. */
  addresses: string[];
  /** What was left out and why: names a file or variable and a setting, never a value. */
  notes: string[];
  /** Path inside of the one file with every authority that this machine trusts. */
  caBundle: string;
}

/**
 * Reads this machine's configuration of pip, npm, cargo, Go and git, and its certificate authorities. Only settings that
 * are known to say where packages come from are taken; a file that cannot be understood is left out with a note. Never
 * throws for what a file holds, and gives no login, token, key or cookie (I6).
 */
export function packageConfiguration(
  options: Partial<PackageSource> & Pick<PackageSource, "env">,
): PackageConfiguration {
  const source: PackageSource = { ...hostPackageSource(options.env), ...options };
  const findings = openPackageFindings(source, mountedAt);
  for (const read of [readPip, readNpm, readCargo, readGo, readGit]) read(source, findings);
  findings.file("ca-bundle.crt", readAuthorities(source, findings));
  const loopback = loopbackHosts(findings.result().hosts, findings);
  if (loopback.length > 0) findings.file("loopback", Buffer.from(`${loopback.join("\n")}\n`));
  return { ...findings.result(), caBundle: `${mountedAt}/ca-bundle.crt` };
}
