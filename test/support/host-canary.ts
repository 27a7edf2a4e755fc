/**
 * Things of the host that no run may read or change, planted before an attack and looked at after.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { newCanary } from "./canary.ts";
import type { GatewayIdentity } from "./escape-identities.ts";

export interface FileCanaries {
  /** A directory that everybody may read and write, if only they could reach it. */
  openDir: string;
  /** The gateway's home. */
  home: string;
  secretOf: Map<string, string>;
  paths(): string[];
  secrets(): string[];
  /** Files whose bytes are no longer what was planted. */
  changed(): string[];
  remove(): void;
}

/**
 * Plants a canary in every place of the host where something precious may lie: private to the
 * gateway's user, and readable for everybody, which is worse.
 */
export function plantFileCanaries({ gatewayUid }: GatewayIdentity): FileCanaries {
  const name = `airlock-canary-${randomUUID()}`;
  const openDir = join(tmpdir(), name);
  mkdirSync(openDir);
  chmodSync(openDir, 0o777);
  const home = join(openDir, "home");
  mkdirSync(home, { mode: 0o755 });
  if (process.getuid?.() === 0) chownSync(home, gatewayUid, gatewayUid);
  const wanted: [path: string, mode: number][] = [
    [join(home, ".netrc"), 0o600],
    [join(home, ".ssh/id_ed25519"), 0o600],
    [join(openDir, "open.txt"), 0o666],
    [join("/var/tmp", name), 0o644],
    [join("/dev/shm", name), 0o644],
    [join("/run", name), 0o644],
    [join("/etc", name), 0o644],
    [join("/home", name), 0o644],
    [join("/opt", name), 0o644],
    [join("/srv", name), 0o644],
    [join("/root", `.${name}`), 0o600],
  ];
  const secretOf = new Map<string, string>();
  for (const [path, mode] of wanted) {
    if (path.startsWith(home)) mkdirSync(dirname(path), { recursive: true });
    if (!isWritable(dirname(path))) continue;
    const secret = newCanary();
    writeFileSync(path, secret, { mode });
    chmodSync(path, mode);
    if (process.getuid?.() === 0 && path.startsWith(home)) chownSync(path, gatewayUid, gatewayUid);
    secretOf.set(path, secret);
  }
  const remove = () => {
    for (const path of secretOf.keys()) rmSync(path, { force: true });
    rmSync(openDir, { recursive: true, force: true });
  };
  // They lie in the host's own directories: a test that breaks off must not leave them there.
  process.once("exit", remove);
  return {
    ...{ openDir, home, secretOf, remove },
    paths: () => [...secretOf.keys()],
    secrets: () => [...secretOf.values()],
    changed: () =>
      [...secretOf]
        .filter(([path, secret]) => readOrNothing(path) !== secret)
        .map(([path]) => path),
  };
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false; // An ordinary user cannot plant there, and has no secrets there.
  }
}

function readOrNothing(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "latin1") : undefined;
}

export function sha256OfFile(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Settings of the kernel that no namespace has for itself, with a value that would be a change. */
export const hostSettings: Record<string, string> = {
  "/proc/sys/kernel/core_pattern": "|/tmp/airlock-canary %p",
  "/proc/sys/kernel/modprobe": "/tmp/airlock-canary",
  "/proc/sys/kernel/hotplug": "/tmp/airlock-canary",
  "/proc/sys/kernel/poweroff_cmd": "/tmp/airlock-canary",
  "/proc/sys/kernel/sysrq": "438",
  "/proc/sys/kernel/randomize_va_space": "1",
  "/proc/sys/kernel/panic": "77",
  "/proc/sys/fs/suid_dumpable": "1",
  "/proc/sys/fs/file-max": "777777",
  "/proc/sys/vm/swappiness": "41",
};

export function readSettings(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.keys(hostSettings).map((path) => [path, readOrNothing(path)?.trim()]),
  );
}

/** Puts back what an attack changed, so that a red test does not leave the host changed. */
export function restoreSettings(before: Record<string, string | undefined>): void {
  const now = readSettings();
  for (const [path, value] of Object.entries(before)) {
    if (value !== undefined && now[path] !== value) writeFileSync(path, value);
  }
}
