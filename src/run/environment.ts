import type { Capability } from "../contract/agent.ts";
import { type Environment, packageParts } from "../contract/environment.ts";
import { Problem } from "../contract/problem.ts";
import { durationSeconds, type RunLimits, type RunSnapshot } from "../contract/submission.ts";
import { allowList } from "../egress/egress.ts";
import { secretVariableProblem } from "../sandbox/sandbox.ts";
import type { SubmitRequest } from "./run.ts";

type Submission = SubmitRequest["submission"];

/** The limits of a submission, of which `timeout` is one. Throws `invalid_request` when both name it. */
export function askedLimits({ timeout, limits = {} }: Submission): RunLimits {
  if (timeout === undefined) return limits;
  if (limits.wallClockSeconds !== undefined) {
    throw wrong("timeout", "is the same as limits.wallClockSeconds; expected one of the two");
  }
  return { ...limits, wallClockSeconds: durationSeconds(timeout) };
}

/**
 * What is around the run, in one spelling and without what says nothing: hosts in lower case, packages with the name of
 * their ecosystem, each once and in order. Throws `invalid_request` when a package is asked for in two versions.
 */
export function askedEnvironment({ environment }: Submission): Pick<RunSnapshot, "environment"> {
  const { networking, packages = [], envVars = {} } = environment ?? {};
  const plain: Environment = {
    ...plainNetworking(networking),
    ...(packages.length === 0 ? {} : { packages: plainPackages(packages) }),
    ...(Object.keys(envVars).length === 0 ? {} : { envVars }),
  };
  return Object.keys(plain).length === 0 ? {} : { environment: plain };
}

function plainNetworking(asked: Environment["networking"]): Pick<Environment, "networking"> {
  if (asked === undefined) return {};
  if (asked.mode === "open") return { networking: { mode: "open" } };
  const hosts = (asked.allowedHosts ?? []).map((host) => host.toLowerCase());
  // Without a host it is what every run has.
  if (hosts.length === 0) return {};
  return { networking: { mode: "limited", allowedHosts: [...new Set(hosts)].sort() } };
}

type Packages = NonNullable<Environment["packages"]>;

function plainPackages(asked: Packages): Packages {
  const found = new Map<string, Packages[number]>();
  for (const [at, { name: given, version }] of asked.entries()) {
    const { ecosystem, name: bare } = packageParts(given);
    const name = `${ecosystem}:${bare}`;
    const other = found.get(name);
    if (other !== undefined && other.version !== version) {
      throw wrong(`environment.packages[${at}]`, `${name} is asked for in two versions`);
    }
    found.set(name, { name, ...(version === undefined ? {} : { version }) });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Refuses what a run cannot have around it. An agent says itself what it reaches, so that nobody who uses it gives it more;
 * a variable that decides how the sandbox, a shell, a package client or the SDK works is the gateway's own.
 */
export function checkEnvironment(
  environment: Environment | undefined,
  { agent }: Pick<RunSnapshot, "agent">,
): void {
  const { networking, envVars = {} } = environment ?? {};
  if (networking !== undefined && agent !== undefined) {
    const message =
      "is for a run without an agent of its own; what an agent reaches is decided by NetworkAccess among its capabilities, and by grant";
    throw wrong("environment.networking", message);
  }
  for (const name of Object.keys(envVars)) {
    const problem = harmless.test(name) ? undefined : secretVariableProblem(name);
    if (problem === undefined) continue;
    throw wrong(`environment.envVars.${name}`, `cannot be set: ${problem}`);
  }
  try {
    allowList(networking?.allowedHosts);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw wrong("environment.networking.allowedHosts", error.message);
  }
}

/** No secret belongs into these, but they change only how a program of Python prints and hashes. */
const harmless = /^PYTHON(UNBUFFERED|HASHSEED|UTF8|IOENCODING|WARNINGS|FAULTHANDLER)$/;

/** What the built-in agent may reach: the submission says it, since nobody else did. */
export function ofNetworking(environment: Environment | undefined): Capability[] {
  const networking = environment?.networking;
  if (networking === undefined) return [];
  const hosts = networking.mode === "open" ? ["*"] : (networking.allowedHosts ?? []);
  return [{ type: "NetworkAccess", hosts }];
}

/**
 * The variables of a submission for the environment of a command, but none that the gateway sets itself: those stand as
 * they are, whatever the submission says.
 */
export function envVarsOf(
  { environment }: Pick<RunSnapshot, "environment">,
  ...own: readonly Readonly<Record<string, string>>[]
): Record<string, string> {
  const taken = new Set(own.flatMap((one) => Object.keys(one)));
  const entries = Object.entries(environment?.envVars ?? {});
  return Object.fromEntries(entries.filter(([name]) => !taken.has(name)));
}

function wrong(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
