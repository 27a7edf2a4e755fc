import { homedir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import type { PackageConfiguration } from "./package-configuration.ts";

/** The machine as package clients see it; a test gives one of its own. */
export interface PackageSource {
  env: Record<string, string | undefined>;
  home: string;
  /** Undefined when there is no such file to be read. */
  readFile(path: string): Buffer | undefined;
  /** Whether a run's user finds a directory there and may list it: a mount of anything else ends a sandbox. */
  isDirectory(path: string): boolean;
}

export interface PackageFindings {
  /** Where the files are, inside. */
  mountedAt: string;
  set(name: string, value: string): void;
  file(path: string, data: Buffer): void;
  link(path: string, target: string): void;
  note(text: string): void;
  /** A PEM file that a client trusts beside those of the system; `pem` is text that stands in the configuration. */
  authority(path: string): void;
  pem(text: string): void;
  authorities(): { paths: string[]; pems: string[] };
  /**
   * A URL or path as a sandbox may have it: without a login, its host named, its directory mounted. `where` is the file
   * and the setting, for the note.
   */
  location(where: string, text: string): string;
  result(): Omit<PackageConfiguration, "caBundle">;
}

/** Collects what the readers of each client find. `mountedAt` is where the files will be, inside. */
export function openPackageFindings(source: PackageSource, mountedAt: string): PackageFindings {
  const environment: Record<string, string> = {};
  const files: PackageConfiguration["files"] = [];
  const links: PackageConfiguration["links"] = [];
  const mounts = new Set<string>();
  const hosts = new Map<string, string>();
  const notes = new Set<string>();
  const paths = new Set<string>();
  const pems: string[] = [];

  const mount = (where: string, path: string) => {
    const plain = path.replace(/(?<=.)\/+$/, "");
    // A page of links names its neighbours.
    const bare = source.readFile(plain) === undefined ? plain : dirname(plain);
    if (!source.isDirectory(bare)) notes.add(`${where} names no directory that a run may read`);
    else if (mayMount(bare, source.home)) mounts.add(bare);
    else notes.add(`${where} names ${JSON.stringify(bare)}, which no sandbox is given`);
  };

  return {
    mountedAt,
    set: (name, value) => {
      environment[name] = value;
    },
    file: (path, data) => void files.push({ path, data }),
    link: (path, target) => void links.push({ path, target }),
    note: (text) => void notes.add(text),
    authority: (path) => void paths.add(expandHome(path, source.home)),
    pem: (text) => void pems.push(text),
    authorities: () => ({ paths: [...paths], pems }),
    location(where, text) {
      const path = localPath(text, source.home);
      if (path !== undefined) {
        mount(where, path);
        return text.startsWith("~") ? path : text;
      }
      const { clean, cut } = withoutLogin(text);
      if (cut) notes.add(`${where} has a login, which no sandbox is given`);
      const host = hostOf(clean);
      if (host !== undefined) hosts.set(host.shown, host.address);
      return clean;
    },
    result: () => ({
      environment,
      files,
      links,
      mounts: [...mounts].map((path) => ({ source: path, target: path })),
      hosts: [...hosts.keys()],
      addresses: [...new Set(hosts.values())],
      notes: [...notes],
    }),
  };
}

/** A path with `~/` in front, as most clients allow. */
export function expandHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path;
}

function localPath(text: string, home: string): string | undefined {
  const plain = expandHome(text, home);
  if (plain.startsWith("/")) return normalize(plain);
  const file = /^(?:[a-z]+\+)?(file:\/\/.*)$/i.exec(text)?.[1];
  if (file === undefined || !URL.canParse(file)) return undefined;
  const { hostname } = new URL(file);
  if (hostname !== "" && hostname !== "localhost") return undefined;
  try {
    return fileURLToPath(`file://${new URL(file).pathname}`);
  } catch (error) {
    // A path with an escaped slash in it: no file of this machine is meant.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/**
 * A user name in a web address is a login even without a password: tokens are often given so. That of ssh is who to be,
 * such as `git`, and opens nothing.
 */
function withoutLogin(text: string): { clean: string; cut: boolean } {
  const parts = /^([a-z][a-z\d+.-]*:\/\/)([^/?#]*)@(.*)$/is.exec(text);
  const [, scheme = "", login = "", rest = ""] = parts ?? ["", "", "", text];
  const isSsh = /^(?:git\+)?ssh:/i.test(scheme);
  const kept = isSsh && login !== "" ? `${login.split(":")[0]}@` : "";
  const query = rest.indexOf("?");
  const bare = query < 0 || !/:\/\//.test(text) ? rest : rest.slice(0, query);
  const clean = `${scheme}${kept}${bare}`;
  return { clean, cut: clean !== text };
}

function hostOf(text: string): { shown: string; address: string } | undefined {
  const url = /^(?:[a-z]+\+)?(https?:\/\/.*)$/i.exec(text)?.[1];
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { host, hostname, port, protocol } = new URL(url);
  return { shown: host, address: `${hostname}:${port || (protocol === "https:" ? 443 : 80)}` };
}

/**
 * A local index is a directory of packages; these are the machine itself, or what people keep their own things in, or
 * places that a sandbox fills itself, below which it would not be seen.
 */
function mayMount(path: string, home: string): boolean {
  const closed = [
    ..."/etc /proc /sys /dev /run /boot /var/run".split(" "),
    ..."/tmp /workspace /cache /airlock /airlock-config /airlock-run /antpath".split(" "),
  ];
  if (closed.some((each) => path === each || path.startsWith(`${each}/`))) return false;
  const open = ["/", "/usr", "/var", "/var/lib", "/home", "/root", "/tmp", "/opt", "/srv", "/mnt"];
  const homes = [home, homedir()];
  if (open.includes(path) || homes.some((each) => `${each}/`.startsWith(`${path}/`))) return false;
  const hidden = homes.some((each) => path.startsWith(`${each}/.`));
  return !hidden || /\/\.(?:cache|cargo|local)(?:\/|$)/.test(path);
}
