import type { Command } from "commander";
import { packageEcosystems } from "../contract/environment.ts";
import { usage } from "./exit.ts";
import { collect, oneOf } from "./option-values.ts";

/** The flags that say what a run finds around it. */
export interface EnvironmentFlags {
  network?: "limited" | "open";
  allowHost?: string[];
  package?: string[];
  env?: string[];
}

/** Adds the flags of a run's environment to a command. */
export function addEnvironmentFlags(command: Command): void {
  command
    .option(
      "--network <mode>",
      "limited: the hosts that are allowed; open: every public host",
      oneOf(["limited", "open"]),
    )
    .option("--allow-host <host>", "a host that it may reach, as api.example.com; again", collect)
    .option(
      "--package <name[@version]>",
      `installed before it starts, as pip:requests@2.32.3 (${packageEcosystems.join(", ")}); again`,
      collect,
    )
    .option("--env <k=v>", "a variable of its commands; no secrets; may be repeated", collect);
}

/** What the flags say, over the environment of a configuration; undefined: neither says anything. */
export function readEnvironment(flags: EnvironmentFlags, before: unknown): unknown {
  const { network, allowHost, package: packages, env } = flags;
  if ([network, allowHost, packages, env].every((flag) => flag === undefined)) return before;
  const given = objectOf(before);
  if (network !== undefined || allowHost !== undefined) {
    const { mode, allowedHosts } = objectOf(given.networking);
    const wanted = network ?? (allowHost === undefined ? mode : "limited");
    const hosts = allowHost ?? (wanted === "limited" ? allowedHosts : undefined);
    given.networking = { mode: wanted, ...(hosts === undefined ? {} : { allowedHosts: hosts }) };
  }
  if (packages !== undefined) given.packages = packages.map(readPackage);
  if (env !== undefined) {
    given.envVars = { ...objectOf(given.envVars), ...Object.fromEntries(env.map(variable)) };
  }
  return given;
}

/**
 * `pip:requests@2.32.3`, or with the sign of its own ecosystem: `pip:requests==2.32.3`, `apt:jq=1.6`. The `@` of a scope
 * (`npm:@org/name`) begins a name and no version.
 */
export function readPackage(text: string): { name: string; version?: string } {
  const found = /^((?:[a-z]+:)?@?[^@=:]+)(?:@|==?)(.*)$/.exec(text);
  if (found === null) return { name: text };
  const [, name = "", version = ""] = found;
  if (version !== "") return { name, version };
  throw usage(
    `--package: expected a version at the end of ${JSON.stringify(text)}`,
    "Give NAME@VERSION, or the name alone for the newest",
  );
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw usage(
    `--env: expected NAME=VALUE, got ${JSON.stringify(text)}`,
    "For a secret from your environment there is --secret-env NAME",
  );
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
