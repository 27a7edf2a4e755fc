import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultDataDir } from "../base/config.ts";
import { defaultPort } from "../contract/defaults.ts";
import type { GlobalOptions } from "./context.ts";
import { CliError, usage } from "./exit.ts";

type Env = Record<string, string | undefined>;

/**
 * Where the gateway is. A flag wins over the environment, and both over the default port of this
 * machine.
 */
export function gatewayUrl(options: GlobalOptions, env: Env): string {
  const given = options.url ?? env.AIRLOCK_URL;
  if (given) return given;
  const port = /^[1-9]\d{0,4}$/.test(env.AIRLOCK_PORT ?? "") ? env.AIRLOCK_PORT : defaultPort;
  return `http://127.0.0.1:${port}`;
}

export function dataDirOf(options: GlobalOptions, env: Env): string {
  return options.dataDir ?? (env.AIRLOCK_DATA_DIR || defaultDataDir(env));
}

/**
 * The token to use: given, or the one that the gateway of this machine wrote into its data
 * directory. That one opens everything, so it is never sent to another machine.
 */
export async function gatewayToken(options: GlobalOptions, env: Env, url: string): Promise<string> {
  const given = options.token ?? env.AIRLOCK_TOKEN;
  if (given !== undefined && given !== "") return given;
  if (!isLoopback(url)) {
    throw usage(
      `No token for ${url}`,
      "Give one with --token or AIRLOCK_TOKEN; this machine's admin token is not sent to another",
    );
  }
  const path = join(dataDirOf(options, env), "admin-token");
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new CliError(
        "token_missing",
        `No token given, and none at ${path}`,
        "Start a gateway with `airlock serve`, or give --token, AIRLOCK_TOKEN or --data-dir",
      );
    }
    throw new CliError(
      "token_unreadable",
      `Cannot read the token: ${message}`,
      "Ask the gateway's operator for a token, and give it with --token or AIRLOCK_TOKEN",
    );
  }
}

/**
 * Whether an address is this machine's own. Names other than `localhost` are not: anybody can point
 * one anywhere.
 */
export function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  return isLoopbackHost(new URL(url).hostname);
}

export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
