import { randomUUID } from "node:crypto";
import { readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../contract/problem.ts";
import { execInSandbox } from "./exec.ts";
import { type ExecHost, shellProcesses } from "./open-one.ts";
import { type PlacesHost, provisionPlace } from "./places.ts";
import { removeTree } from "./remove.ts";
import type { ExecLimits, ExecResult, Place } from "./sandbox.ts";
import { probePrefix } from "./sweep.ts";

const probeLimits: ExecLimits = {
  timeoutMs: 20_000,
  memoryBytes: 256 * 1024 * 1024,
  processes: 64,
  diskBytes: 64 * 1024 * 1024,
  outputKeptBytes: 1024 * 1024,
  outputKilledBytes: 2 * 1024 * 1024,
};

const namespaces = ["user", "pid", "net", "ipc", "uts", "cgroup", "mnt"];

/** Shell builtins, `cat` and `readlink` only: it must run on the smallest host. */
const script = (absent: string[]) => `
for ns in ${namespaces.join(" ")}; do echo "ns_$ns=$(readlink /proc/self/ns/$ns)"; done
while read -r key value rest; do
  case $key in
    NoNewPrivs:|Seccomp:|CapEff:|CapBnd:|Uid:) echo "status_\${key%:}=$value" ;;
  esac
done </proc/self/status
while read -r name rest; do [ "$name" = Iface ] || echo "route=$name"; done </proc/net/route
if [ -e /proc/net/if_inet6 ]; then
  while read -r address index prefix scope flags name; do
    [ "$name" = lo ] || echo "route=$name"
  done </proc/net/if_inet6
fi
while read -r limit; do
  case $limit in
    "Max core file size"*|"Max processes"*|"Max open files"*) echo "limit=$limit" ;;
  esac
done </proc/self/limits
for path in ${absent.join(" ")}; do
  if [ -e $path ]; then echo "present=$path"; fi
done
for path in / /usr /etc /dev /airlock /proc/sys/kernel; do
  if (: >$path/airlock-probe) 2>/dev/null; then echo "writable=$path"; fi
done
echo "environ=$(cat /proc/1/environ)"
: >/tmp/made
`;

/** A place for a probe, and one command in it; the place is removed afterwards. */
export async function probe(
  host: ExecHost & PlacesHost,
  command: string,
  look: (place: Place) => void = () => undefined,
): Promise<ExecResult> {
  const runId = `${probePrefix}${randomUUID()}`;
  const uid = host.identity?.first ?? null;
  const place = await provisionPlace(host, { runId, uid, outputDirs: [], files: [], own: [] });
  try {
    const signal = new AbortController().signal;
    const result = await execInSandbox(host, place, { command, limits: probeLimits, signal });
    look(place);
    return result;
  } finally {
    host.disk.delete(place.workspace);
    await removeTree(join(host.dataDir, "runs", runId), host.log);
  }
}

/**
 * Starts a real sandbox and lets it say what it is. Throws `sandbox_unavailable` with everything
 * that is not as it must be, so a host (or a bwrap) that gives less than was asked for runs nothing
 * (I7).
 */
export async function selfTest(host: ExecHost & PlacesHost): Promise<void> {
  let maker: number | undefined;
  const result = await probe(host, script(absentPlaces(host)), (place) => {
    maker = statSync(join(place.tmp, "made"), { throwIfNoEntry: false })?.uid;
  });
  const said = result.stdout.kept.toString("utf8").trim().split("\n");
  const wrong = findWrong(said, host, maker);
  if (result.end.type !== "exited" || result.end.exitCode !== 0) {
    wrong.push(`the probe ended with ${JSON.stringify(result.end)}`);
  }
  if (wrong.length === 0) return;
  throw new Problem(
    "sandbox_unavailable",
    `Cannot trust the sandbox of this host: ${wrong.join("; ")}. Run airlock doctor`,
    { wrong },
  );
}

/** Places of the host that must not be there, unless the operator declared a toolchain in one. */
function absentPlaces(host: ExecHost): string[] {
  return ["/etc/shadow", "/root", "/home", "/var/lib"].filter(
    (path) => !host.toolchains.directories.some((directory) => directory.startsWith(`${path}/`)),
  );
}

function findWrong(said: string[], host: ExecHost, maker: number | undefined): string[] {
  const values = (key: string) =>
    said.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
  const wrong: string[] = [];
  for (const name of namespaces) {
    const [inside = ""] = values(`ns_${name}`);
    if (!/\[\d+\]$/.test(inside) || inside === readlinkSync(`/proc/self/ns/${name}`)) {
      wrong.push(`the ${name} namespace is the host's`);
    }
  }
  const expected = {
    status_NoNewPrivs: "1",
    status_Seccomp: "2",
    status_CapEff: "0000000000000000",
    status_CapBnd: "0000000000000000",
    status_Uid: "1000",
    // Some kernels put idle tunnel devices into every network namespace; what counts is that no way
    // leads out.
    route: "",
    environ: "PATH=/usr/bin:/bin",
  };
  for (const [key, value] of Object.entries(expected)) {
    const found = values(key).join(",");
    // The kernel ends each variable with a NUL, which a shell leaves out.
    if (found.replaceAll("\0", "") !== value) wrong.push(`${key} is ${JSON.stringify(found)}`);
  }
  for (const path of values("present")) wrong.push(`${path} is there`);
  for (const path of values("writable")) wrong.push(`${path} is writable`);
  for (const [name, limit] of [
    ["Max core file size", 0],
    ["Max open files", 1024],
    ["Max processes", shellProcesses(probeLimits, host.cgroups !== null)],
  ] as const) {
    const line = values("limit").find((found) => found.startsWith(name));
    const [soft, hard] = line?.slice(name.length).trim().split(/\s+/) ?? [];
    if (soft !== String(limit) || hard !== soft)
      wrong.push(`the limit "${line ?? name}" is not ${limit}`);
  }
  const uid = host.identity?.first ?? process.getuid?.();
  if (maker !== uid) wrong.push(`a file made inside belongs to host uid ${maker}, expected ${uid}`);
  return wrong;
}
