import type { ReadCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { DecisionReason } from "../contract/explanation.ts";
import type { Finding } from "../contract/finding.ts";
import type { RemoteAccess } from "../contract/remote-access.ts";

/** The power that one call needs. A `name` of null: some of it, whatever its scopes. */
export type Need =
  | { type: "ReadAccess" | "WriteAccess"; name: string | null }
  | {
      type: "CodeExecution";
      /** Null: a program of an artifact, which no shell reads. */
      command: ReadCommand | null;
      /** The script that the agent is: whoever installed it said that it runs, so only what is above the agent bounds it. */
      isOwnScript?: boolean;
      /** As people know it: the command, or the entrypoint with its arguments. */
      shown: string;
      findings: readonly Finding[];
      /** `none`: the call wants no way out, whatever the agent has. */
      network: "granted" | "none";
      /** It installs packages, which cannot be done without a way out: what they come from, host:port. Null: it does not. */
      installsFrom: readonly string[] | null;
      /** The secrets that it would have in its environment, by name. */
      secrets: readonly string[];
    }
  | {
      type: "SandboxFunctions";
      name: string;
      /** It is a tool of a remote server, which does with the arguments what it likes. */
      remote?: {
        server: string;
        /** host:port */
        host: string;
        /** Whoever declared the server said that nobody need be asked. */
        preapproved: boolean;
      };
    }
  | { type: "NetworkAccess"; host: string }
  | { type: "AgentSpawn"; agent: string | null; children: number }
  | { type: "AgentMessage"; agent: string | null }
  | { type: "BackgroundReevaluation"; intervalSeconds: number; reasoning: boolean }
  | { type: "EmergencyStop" }
  | { type: "AgentInstall"; agent: string | null }
  | { type: "PromotionRecord"; role: string };

/** What an agent may: its own capabilities, narrowed by every grant above it (I13). */
export interface Power {
  capabilities: readonly Capability[];
  remoteAccess?: RemoteAccess | undefined;
  /** The proxy endpoints of the run as hosts, `stripe.proxy:80`: the submission gave them, and no list narrows them. */
  endpoints?: readonly string[];
  /** The secrets that its commands may ask for, by name. Left out: any. */
  credentialEnv?: readonly string[] | undefined;
  /** Each must allow what the agent's own capabilities allow: the grant of the run tree, the operator's. */
  grants?: readonly (readonly Capability[])[];
}

export interface Decision {
  decision: "allow" | "ask" | "deny";
  /** The rule that said so, in words that a person can act on. */
  rule: string;
  /** Everything that stands against it, or made it ask; empty for a plain `allow`. */
  reasons: DecisionReason[];
  /** What the call may reach by its capabilities, host patterns; empty when it has no way out. */
  hosts: string[];
  /** `ask`: what it would reach besides, host:port; a person's yes opens these and no other. */
  askedHosts: string[];
  /** What the agent can do about a denial, when there is something better than doing without. */
  repairHint?: string;
}
