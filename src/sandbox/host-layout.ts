import { existsSync, lstatSync, readlinkSync, statSync } from "node:fs";

/** What of the host's own file system a sandbox sees. */
export interface HostLayout {
  /**
   * Directories mounted read-only at their own path: `/usr`, and `/lib` … where they are not links
   * into it.
   */
  directories: string[];
  /** Links at the root, as they are on the host: `/bin` to `usr/bin` where the two are merged. */
  links: { path: string; target: string }[];
  /** Files and directories of `/etc` that programs need and that say nothing about the host. */
  etc: string[];
  /** Files of `/proc` that speak about the host, each covered with `/dev/null`. */
  procMasks: string[];
  /** Directories of `/proc` mounted read-only over themselves. */
  procReadOnly: string[];
  bash: boolean;
}

const rootNames = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Each is a mount point that the staged `/etc` has (see `runtime.ts`). */
export const etcFiles = ["/etc/ld.so.cache"];
export const etcDirectories = [
  "/etc/alternatives",
  "/etc/ssl/certs",
  "/etc/pki/tls/certs",
  "/etc/pki/ca-trust/extracted",
];

const masks = ["keys", "key-users", "kallsyms", "timer_list", "cmdline", "sched_debug"];

/**
 * Reads the layout once. Everything is looked for here and named exactly, because a mount point
 * that the kernel's own `/proc` does not have cannot be made, and would fail every sandbox.
 */
export function readHostLayout(): HostLayout {
  const directories = ["/usr"];
  const links: HostLayout["links"] = [];
  for (const path of rootNames) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) links.push({ path, target: readlinkSync(path) });
    else if (stats?.isDirectory()) directories.push(path);
  }
  return {
    directories,
    links,
    etc: [
      ...etcFiles.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile()),
      ...etcDirectories.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory()),
    ],
    procMasks: masks.map((name) => `/proc/${name}`).filter((path) => existsSync(path)),
    procReadOnly: ["/proc/sys", "/proc/irq", "/proc/bus"].filter((path) => existsSync(path)),
    bash: existsSync("/usr/bin/bash") || existsSync("/bin/bash"),
  };
}
