import type { ReadCommand } from "../analysis/analysis.ts";
import type { DecisionReason } from "../contract/explanation.ts";
import { type Patterns, readPatterns } from "./command-patterns.ts";
import { type Forbidden, forbiddenIn } from "./forbidden.ts";
import { type Bound, boundsOf, ofType, owner } from "./grants.ts";
import type { Decision, Need, Power } from "./need.ts";
import { reason, shown } from "./reasons.ts";
import { type Reach, reachOf } from "./remote-access.ts";
import { retryWith } from "./retry.ts";
import { secretAsked, undeclaredSecrets } from "./secrets.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

/** What the model and the journal read when a command may not run. */
const denied = "sandbox command denied by CodeExecution policy";

/** How many commands of one call are named; more say nothing new. */
const namedCommands = 50;

const withoutNetwork =
  "Let packager.default build an artifact with the packages as a layer, and run that; or run without dependencies";

/** May this command, or this program of an artifact, run, and what may it reach? */
export function decideCode(need: CodeNeed, power: Power): Decision {
  const bounds = boundsOf(power).map((bound) => ({ bound, patterns: patternsOf(bound) }));
  const missing = bounds.flatMap(({ bound, patterns }) =>
    patterns === undefined && !(need.isOwnScript && bound.kind === "agent")
      ? [capabilityMissing(bound)]
      : [],
  );
  if (missing.length > 0) return deny(missing);
  const lists = bounds.flatMap(({ bound, patterns }) =>
    patterns === undefined ? [] : [{ bound, patterns }],
  );
  const { command } = need;
  const refused = command === null ? [] : refusals(command, lists);
  if (refused.length > 0) {
    const declared = lists.map(({ patterns }) => patterns);
    return { ...deny(refused), ...retryWith(need.shown, refused, declared) };
  }
  const undeclared = undeclaredSecrets(need, power);
  if (undeclared.length > 0) return secretsDenied(undeclared, power);
  const reach = reachOf(need, power);
  if (need.network === "none" && need.installsFrom !== null) {
    return packagesDenied("Packages are installed over the network, and this call has none");
  }
  const mode = power.remoteAccess?.approval_mode ?? "require";
  if (reach.reasons.length > 0 && mode === "deny") return reachDenied(need, reach);
  const opaque = (command?.opaque ?? [])
    .slice(0, namedCommands)
    .map(({ token, offset, reason: why }) =>
      reason("opaque_command", `${why}: ${shown(token)}`, {
        ...{ token, offset },
        change: "Write the program as a plain word, so that it can be read before it runs",
      }),
    );
  const asked = [...secretAsked(need), ...opaque, ...reach.reasons];
  if (asked.length > 0) return ask(asked, reach);
  if (need.isOwnScript) {
    const rule = allowRule([], reach.hosts, `The script of the agent: ${shown(need.shown)}`);
    return { decision: "allow", rule, reasons: [], hosts: reach.hosts, askedHosts: [] };
  }
  const used = lists[0] === undefined ? [] : usedPatterns(command, lists[0].patterns);
  return {
    decision: "allow",
    rule: allowRule(used, reach.hosts),
    reasons: [],
    hosts: reach.hosts,
    askedHosts: [],
  };
}

function patternsOf({ capabilities }: Bound): Patterns | undefined {
  const declared = ofType(capabilities, "CodeExecution");
  if (declared.length === 0) return undefined;
  return readPatterns(declared.flatMap(({ patterns }) => patterns));
}

function capabilityMissing(bound: Bound): DecisionReason {
  const rule = bound.kind === "agent" ? "capability_missing" : "grant_missing";
  return reason(rule, `${owner(bound)} does not have the capability CodeExecution`, {
    change: "Give it CodeExecution with the commands that it needs",
  });
}

/** Everything in a command that may not run, with what would let it. */
function refusals(
  read: ReadCommand,
  lists: readonly { bound: Bound; patterns: Patterns }[],
): DecisionReason[] {
  const forbidden = forbiddenIn(read)
    .filter(
      ({ command }) => command === null || !lists.every(({ patterns }) => patterns.names(command)),
    )
    .map(forbiddenReason);
  const unmatched: DecisionReason[] = [];
  for (const { bound, patterns } of lists) {
    for (const place of read.commands.keys()) {
      if (unmatched.length >= namedCommands) break;
      if (patterns.admits(read, place) === undefined)
        unmatched.push(unmatchedReason(read, place, bound));
    }
  }
  return [...forbidden.slice(0, namedCommands), ...unmatched];
}

const families = {
  destructive: "destroys files",
  privilege: "changes privileges",
  environment: "discloses the environment",
} as const;

function forbiddenReason({ family, token, offset, command }: Forbidden): DecisionReason {
  const program = command?.program ?? null;
  const named = program === null ? undefined : `${program} `;
  return reason(`forbidden_${family}`, `${shown(token)} ${families[family]}`, {
    ...{ token, offset },
    ...(named === undefined
      ? {}
      : {
          change: `Declare the CodeExecution pattern ${shown(named)}: * does not include it`,
          capability: { type: "CodeExecution" as const, patterns: [named] },
        }),
  });
}

/** Programs whose first argument says what they do. */
const withSubcommands =
  /^(npm|pip|pip3|git|cargo|go|yarn|pnpm|apt|apt-get|uv|poetry|docker|deno|bun|dotnet|gem)$/;

function unmatchedReason(read: ReadCommand, place: number, bound: Bound): DecisionReason {
  const command = read.commands[place];
  const [first, second] = command?.words ?? [];
  const program = command?.program ?? null;
  const token = first?.text ?? "";
  const list = bound.kind === "agent" ? "the agent's" : "the run tree's";
  const message = `No pattern of ${list} CodeExecution covers ${shown(token)}`;
  const place_ = { token, offset: command?.offset ?? 0 };
  if (program === null) return reason("pattern_missing", message, place_);
  const isPlain = second !== undefined && !second.dynamic && /^[a-z][\w-]*$/.test(second.text);
  const pattern =
    withSubcommands.test(program) && isPlain ? `${program} ${second.text}` : `${program} `;
  return reason("pattern_missing", message, {
    ...place_,
    change: `Add ${shown(pattern)} to the patterns of CodeExecution`,
    capability: { type: "CodeExecution", patterns: [pattern] },
  });
}

function deny(reasons: DecisionReason[]): Decision {
  const rule = `${denied}: ${reasons[0]?.message ?? ""}`;
  return { decision: "deny", rule, reasons, hosts: [], askedHosts: [] };
}

function packagesDenied(message: string): Decision {
  const reasons = [reason("packages_uncovered", message, { change: "Leave out network: none" })];
  const rule = `${denied}: ${message}`;
  return { decision: "deny", rule, reasons, hosts: [], askedHosts: [], repairHint: withoutNetwork };
}

function secretsDenied(reasons: DecisionReason[], { credentialEnv = [] }: Power): Decision {
  const declared = credentialEnv.length === 0 ? "none" : credentialEnv.join(", ");
  const repairHint = `Do without it; the secrets that you may ask for: ${declared}`;
  return { ...deny(reasons), repairHint };
}

function reachDenied(need: CodeNeed, { reasons }: Reach): Decision {
  const hint =
    need.installsFrom === null
      ? "Do without the network, use a host that is allowed, or call again with network: none"
      : withoutNetwork;
  return { ...deny(reasons), repairHint: hint };
}

function ask(reasons: DecisionReason[], { hosts, uncovered }: Reach): Decision {
  const more = reasons.length > 1 ? ` (and ${reasons.length - 1} more)` : "";
  const rule = `A person decides: ${reasons[0]?.message ?? ""}${more}`;
  return { decision: "ask", rule, reasons, hosts, askedHosts: uncovered };
}

function usedPatterns(read: ReadCommand | null, patterns: Patterns): string[] {
  if (read === null || read.commands.length === 0) return patterns.texts.slice(0, 1);
  const used = new Set<string>();
  for (const place of read.commands.keys()) {
    const pattern = patterns.admits(read, place);
    if (pattern !== undefined) used.add(pattern.trim());
    if (used.size > 8) break;
  }
  return [...used];
}

function allowRule(
  patterns: readonly string[],
  hosts: readonly string[],
  rule = `CodeExecution ${patterns.join(", ")}`,
): string {
  if (hosts.length === 0) return rule;
  return `${rule}; NetworkAccess ${hosts.includes("*") ? "* (any public host)" : hosts.join(" ")}`;
}
