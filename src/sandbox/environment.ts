import { Problem } from "../contract/problem.ts";
import type { Surroundings } from "./sandbox.ts";

/** What a command sees as its environment, before a call's own additions. */
export function sandboxEnvironment(bins: readonly string[], bash: boolean): Record<string, string> {
  // Ours is behind the host's: it fills gaps. What pip installs comes last, so that it can shadow
  // nothing.
  const path = [...bins, "/usr/local/bin", "/usr/bin", "/bin", "/airlock/bin"];
  return {
    PATH: [...path, "/workspace/.local/bin"].join(":"),
    HOME: "/workspace",
    TMPDIR: "/cache/tmp",
    USER: "agent",
    LOGNAME: "agent",
    SHELL: bash ? "/bin/bash" : "/bin/sh",
    LANG: "C.UTF-8",
    TERM: "dumb",
    XDG_CACHE_HOME: "/cache/xdg",
    PIP_BREAK_SYSTEM_PACKAGES: "1",
    PIP_CACHE_DIR: "/cache/pip",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PYTHONUSERBASE: "/workspace/.local",
    npm_config_cache: "/cache/npm",
    npm_config_update_notifier: "false",
    GOCACHE: "/cache/go-build",
    GOMODCACHE: "/tmp/go_modules",
    CARGO_HOME: "/cache/cargo",
  };
}

/** Where the SDK is: found last, so that it can shadow nothing. */
const sdkPackages = "/airlock/sdk/python";
export const sdkModules = "/airlock/sdk/js";

/** The environment of one sandbox: every sandbox's own, what leads out of it, and what its caller adds. */
export function environmentOf(
  toolchainBins: readonly string[],
  bash: boolean,
  { bins, environment, network }: Surroundings,
): Record<string, string> {
  refuseUnsafe(environment);
  return {
    ...sandboxEnvironment([...bins, ...toolchainBins], bash),
    ...network?.environment,
    ...environment,
    PYTHONPATH: behind(environment.PYTHONPATH, sdkPackages),
    NODE_PATH: behind(environment.NODE_PATH, sdkModules),
  };
}

function behind(paths: string | undefined, last: string): string {
  return paths === undefined || paths === "" ? last : `${paths}:${last}`;
}

/** Names that change what the launcher or the dynamic linker does before the command begins, or where it looks first. */
const reserved =
  /^(PATH|IFS|PS4|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|CDPATH|GLOBIGNORE|LD_.*|BASH_FUNC_.*|GCONV_PATH|NODE_OPTIONS)$/;

function refuseUnsafe(environment: Record<string, string>): void {
  for (const [name, value] of Object.entries(environment)) {
    const wanted = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      ? "expected letters, digits and _"
      : reserved.test(name)
        ? "it decides how the sandbox itself starts"
        : value.includes("\0")
          ? "its value has a NUL"
          : undefined;
    if (wanted === undefined) continue;
    const message = `Cannot set the environment variable ${JSON.stringify(name)}: ${wanted}`;
    throw new Problem("invalid_request", message);
  }
}
