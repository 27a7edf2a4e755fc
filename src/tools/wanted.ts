import type { PackageEcosystem } from "../analysis/analysis.ts";
import type { Need } from "../policy/policy.ts";

/** Code that a call wants to run, before anybody has looked at what it does. */
export interface WantedCode {
  type: "CodeExecution";
  /** A shell command; null: a program of an artifact. */
  command: string | null;
  /** It is the script that its agent is: a program of the agent's own folder. */
  isOwnScript: boolean;
  /** The id or ref of the artifact in which it runs; null: the run's own directories. */
  artifact: string | null;
  entrypoint: string | null;
  args: readonly string[];
  /** `none`: no way out, whatever the agent has. */
  network: "granted" | "none";
  /** It has packages installed of this kind. */
  installs: PackageEcosystem | null;
  /** Secrets in its environment: variable to name of a secret. */
  secrets: Readonly<Record<string, string>>;
}

/** What a call wants to do, as far as its arguments say it. */
export type Wanted = Exclude<Need, { type: "CodeExecution" }> | WantedCode;

const nothing = { command: null, artifact: null, entrypoint: null, args: [] } as const;

/** Code with only what is not usual about it. */
export function wantsCode(more: Partial<Omit<WantedCode, "type">>): WantedCode {
  return {
    type: "CodeExecution",
    ...nothing,
    isOwnScript: false,
    network: "granted",
    installs: null,
    secrets: {},
    ...more,
  };
}
