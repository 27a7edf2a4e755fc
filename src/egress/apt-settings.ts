import { readdirSync } from "node:fs";
import { openPackageFindings, type PackageSource } from "./package-findings.ts";
import { hostPackageSource } from "./package-source.ts";

/** What apt is given so that it finds, without root, what it finds on this machine; paths are relative to `mountedAt`. */
export interface AptConfiguration {
  files: { path: string; data: Buffer }[];
  /** host:port of its archives. */
  hosts: string[];
  notes: string[];
}

const lists = ["sources.list.d", "trusted.gpg.d", "keyrings", "preferences.d"];
const singles = ["sources.list", "trusted.gpg", "preferences"];

/** Settings that say how archives are read. Proxies, logins, and what is started on the way are not among them. */
const taken =
  /^\s*(?:Acquire::(?:Check-Valid-Until|Check-Date|Retries|ForceIPv[46]|AllowInsecureRepositories|AllowWeakRepositories|Languages)|APT::(?:Install-Recommends|Default-Release|Architecture))\s+"[^"\\]*"\s*;\s*$/;

/**
 * Reads the archives of this machine's apt, the keys that they are signed with, and what is installed, so that nothing is
 * fetched that is there. No login is taken (I6). Without an archive, `hosts` is empty.
 */
export function aptConfiguration(
  options: Partial<PackageSource> & Pick<PackageSource, "env"> & { etc?: string; dpkg?: string },
  mountedAt: string,
): AptConfiguration {
  const source: PackageSource = { ...hostPackageSource(options.env), ...options };
  const { etc = "/etc/apt", dpkg = "/var/lib/dpkg/status" } = options;
  const findings = openPackageFindings(source, mountedAt);
  const paths = [
    ...singles,
    ...lists.flatMap((list) => namesIn(`${etc}/${list}`).map((name) => `${list}/${name}`)),
  ];
  for (const path of paths) {
    const data = source.readFile(`${etc}/${path}`);
    if (data === undefined) continue;
    const isSource = path.startsWith("sources.list");
    if (!isSource) findings.file(path, data);
    else if (!/\.(list|sources)$/.test(path)) findings.note(`${path} is no list of sources`);
    else findings.file(path, readable(`${etc}/${path}`, data.toString("utf8"), etc));
  }
  const settings = ["apt.conf", ...namesIn(`${etc}/apt.conf.d`).map((name) => `apt.conf.d/${name}`)]
    .flatMap((path) => source.readFile(`${etc}/${path}`)?.toString("utf8").split("\n") ?? [])
    .filter((line) => taken.test(line));
  findings.file("apt.conf", Buffer.from([...settings, ...own(mountedAt)].join("\n")));
  findings.file("status", source.readFile(dpkg) ?? Buffer.alloc(0));
  const { files, addresses, notes } = findings.result();
  return { files, hosts: addresses.sort(), notes };

  /** The same text with its keys where they are inside, and without logins. */
  function readable(where: string, text: string, root: string): Buffer {
    const moved = text.replaceAll(`${root}/`, `${mountedAt}/`);
    const clean = moved.replace(/\bhttps?:\/\/[^\s#]+/g, (url) => findings.location(where, url));
    return Buffer.from(clean);
  }
}

/** All that apt writes goes to `/tmp/apt`; it neither changes users nor asks for a lock that only root may have. */
function own(mountedAt: string): string[] {
  const settings = {
    "Dir::Etc": mountedAt,
    "Dir::Etc::parts": "/dev/null",
    "Dir::State": "/tmp/apt/state",
    "Dir::State::status": `${mountedAt}/status`,
    "Dir::Cache": "/tmp/apt/cache",
    "Dir::Log": "/tmp/apt/log",
    "APT::Sandbox::User": "",
    "Debug::NoLocking": "true",
    "Acquire::Languages": "none",
    "Acquire::http::Pipeline-Depth": "0",
  };
  return [...Object.entries(settings).map(([name, value]) => `${name} "${value}";`), ""];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    // It is not there, or not for us to read, and then it says nothing.
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}
