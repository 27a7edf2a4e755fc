import { existsSync, readFileSync } from "node:fs";
import { Problem } from "../contract/problem.ts";
import type { DoctorReport, Probe } from "../contract/upkeep.ts";
import { findBwrap } from "./bwrap-program.ts";
import { openIdentity, prepareDataDir } from "./identity.ts";
import { closeHost, type OpenedHost, openHost } from "./open-sandbox.ts";
import type { SandboxOptions } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import { probe, selfTest } from "./self-test.ts";
import { openToolchains } from "./toolchains.ts";
import { toolRemedies } from "./tools-inside.ts";

/**
 * Probes this host the way `openSandbox` does, one thing at a time, and asks every expected program
 * inside a real sandbox for its version. Never throws for what the host lacks: that is in the
 * report, with the remedy.
 */
export async function runDoctor(options: SandboxOptions): Promise<DoctorReport> {
  const probes = [...(await hostProbes(options)), ...kernelProbes()];
  let host: OpenedHost | undefined;
  let grade: DoctorReport["grade"] = null;
  if (probes.every((one) => one.ok || !one.required)) {
    const { found, opened } = await sandboxProbe(options);
    probes.push(found);
    host = opened;
  }
  if (host !== undefined) {
    grade = host.cgroups === null ? "B" : "A";
    probes.push(limitsProbe(host), ...(await toolProbes(host)));
  }
  if (host !== undefined) await closeHost(host);
  return { grade, probes, notExercised: notExercised(host) };
}

async function hostProbes(options: SandboxOptions): Promise<Probe[]> {
  const identityOf = () => openIdentity(options.uidRange);
  return [
    await check("bubblewrap", async () => {
      const program = await findBwrap(options.bwrap);
      return `${program.version} at ${program.path}`;
    }),
    await check("seccomp filter", async () => `${seccompFilter().length / 8} instructions`),
    await check("uid range", async () => {
      const identity = identityOf();
      if (identity === null) return "not needed: runs use the gateway's own user";
      return `${identity.first}-${identity.last}, used by nobody else`;
    }),
    await check("data directory", async () => {
      const path = prepareDataDir(options.dataDir, identityOf());
      return `${path}, reachable for runs`;
    }),
    await check("toolchains", async () => {
      const { directories } = openToolchains(options.toolchains, identityOf());
      return directories.length === 0 ? "none declared" : directories.join(", ");
    }),
  ];
}

/** What the check found, or the problem's own words: they name the reason and then the remedy. */
async function check(name: string, look: () => Promise<string>): Promise<Probe> {
  try {
    return { name, ok: true, required: true, found: await look() };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [reason = "", ...remedy] = error.message.split(/(?<=[^.])\. /);
    const found = { name, ok: false, required: true, found: reason };
    return remedy.length === 0 ? found : { ...found, remedy: remedy.join(". ") };
  }
}

/**
 * The kernel's switches by themselves decide nothing: the sandbox that is started afterwards does.
 */
function kernelProbes(): Probe[] {
  const userNamespaces = readNumber("/proc/sys/user/max_user_namespaces");
  const debianSwitch = readNumber("/proc/sys/kernel/unprivileged_userns_clone") ?? 1;
  const restricted = readNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === 1;
  return [
    {
      ...{ name: "user namespaces", required: true },
      ...{ ok: (userNamespaces ?? 0) > 0, found: `max_user_namespaces is ${userNamespaces}` },
      remedy: "sysctl user.max_user_namespaces=10000",
    },
    {
      ...{ name: "unprivileged user namespaces", required: true, ok: debianSwitch !== 0 },
      found: debianSwitch === 0 ? "switched off" : "allowed",
      remedy: "sysctl kernel.unprivileged_userns_clone=1",
    },
    {
      ...{ name: "AppArmor", required: false, ok: !restricted },
      found: restricted ? "restricts unprivileged user namespaces" : "does not restrict",
      remedy:
        "Use the distribution's /usr/bin/bwrap and its AppArmor profile bwrap-userns-restrict",
    },
  ].map(withoutIdleRemedy);
}

function withoutIdleRemedy(one: Required<Probe>): Probe {
  const { remedy, ...rest } = one;
  return one.ok ? rest : { ...rest, remedy };
}

function readNumber(path: string): number | undefined {
  return existsSync(path) ? Number(readFileSync(path, "utf8").trim()) : undefined;
}

async function sandboxProbe(
  options: SandboxOptions,
): Promise<{ found: Probe; opened: OpenedHost | undefined }> {
  let opened: OpenedHost | undefined;
  const found = await check("isolation", async () => {
    const host = await openHost(options);
    try {
      await selfTest(host);
    } catch (error) {
      await closeHost(host);
      throw error;
    }
    opened = host;
    return "own namespaces, no network, no privileges, system calls filtered, read-only system";
  });
  return { found, opened };
}

function limitsProbe(host: OpenedHost): Probe {
  const limits = host.cgroups?.version;
  if (limits !== undefined) {
    return {
      name: "limits",
      ok: true,
      required: false,
      found: `${limits}: memory, processes, cpu`,
    };
  }
  return {
    ...{ name: "limits", ok: false, required: false },
    found: "no control groups are ours: a watchdog keeps the limits of memory",
    remedy: "Run the gateway as a systemd service with Delegate=yes, or as root",
  };
}

async function toolProbes(host: OpenedHost): Promise<Probe[]> {
  const script = toolRemedies
    .map(({ name, version }) => {
      const first = `${version} 2>&1 </dev/null | head -n 1`;
      return `printf '\\n%s=' ${name}; command -v ${name} >/dev/null && ${first}`;
    })
    .join("\n");
  const { stdout } = await probe(host, script);
  const lines = stdout.kept.toString("utf8").split("\n");
  return toolRemedies.map(({ name, remedy }) => {
    const line = lines.find((found) => found.startsWith(`${name}=`)) ?? "";
    const version = line.slice(name.length + 1).trim();
    const required = name === "sh";
    if (version !== "") return { name, ok: true, required, found: version };
    return { name, ok: false, required, found: "not there", remedy };
  });
}

function notExercised(host: OpenedHost | undefined): string[] {
  const other = process.arch === "arm64" ? "x64" : "arm64";
  const list = [`the system call filter for ${other}`];
  for (const version of ["cgroup2", "cgroup1"]) {
    if (host?.cgroups?.version !== version) list.push(`limits by ${version}`);
  }
  if (host?.cgroups) list.push("limits by the watchdog");
  list.push(host?.identity ? "running as an ordinary user" : "running as root, with a uid per run");
  return list;
}
