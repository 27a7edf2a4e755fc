import type { RunSnapshot } from "../contract/submission.ts";
import { grantedHosts } from "../policy/policy.ts";
import { ofNetworking } from "./environment.ts";
import type { EffectiveLimits } from "./next-step.ts";
import { givenBundles } from "./skills-prompt.ts";

/** What a model has to know of its run beside the submission. */
export interface PromptFacts {
  /** The tools that it is shown. */
  tools: readonly string[];
  limits: EffectiveLimits;
  /** Another agent gave it its task. */
  isTask?: boolean;
  /** The secrets that its calls may ask for, by name. */
  secrets?: readonly string[];
}

/**
 * What the model is told before the prompt: where it is, what its tools do and where results go; then the agent's own
 * instructions and the submission's `system`. Only facts of this run, so that it can act on every sentence.
 */
export function systemPrompt(snapshot: RunSnapshot, facts: PromptFacts): string {
  const sections = [surroundings(snapshot, facts)];
  if (snapshot.agent) sections.push(snapshot.agent.instructions);
  if (snapshot.system) sections.push(snapshot.system);
  return sections.join("\n\n");
}

const artifacts =
  "What is to be used again is made an artifact: artifact_build joins files, named by content_write, with layers, and artifact_exec starts it without network. A layer is a directory that sandbox_exec filled and captured, such as the one of pip install --target.";

/** What can be downloaded; a proxy stands in the environment, so clients need nothing said to them. */
function reachable(hosts: readonly string[]): string {
  if (hosts.length === 0) return "packages cannot be downloaded.";
  const shown = hosts.slice(0, 20).join(", ");
  const more = hosts.length > 20 ? ` and ${hosts.length - 20} more` : "";
  return `commands can download from ${hosts.includes("*") ? "any public host" : `${shown}${more}`}, through the proxy that pip, npm, cargo, go, git and curl already know.`;
}

/** The upstreams that the run may call through the gateway, which spends their credentials. */
function endpoints(declared: NonNullable<RunSnapshot["proxyEndpoints"]>): string {
  const shown = declared.slice(0, 20).map(({ name, baseUrl, allowMethods, allowPathPrefixes }) => {
    const paths = allowPathPrefixes.slice(0, 5).join(" ");
    return `http://${name}.proxy stands for ${baseUrl} (${allowMethods.join(", ")}; paths ${paths})`;
  });
  const more = declared.length > 20 ? ` and ${declared.length - 20} more` : "";
  return `Upstreams that you may call, with any HTTP client and without a credential, which the gateway adds: ${shown.join("; ")}${more}. /airlock/airlock proxy --help has the limits of each.`;
}

/** The commands that an agent may run, when those are not all. */
function permitted({ agent }: RunSnapshot): string {
  const patterns = (agent?.capabilities ?? []).flatMap((one) =>
    one.type === "CodeExecution" ? one.patterns : [],
  );
  if (patterns.length === 0 || patterns.includes("*")) return "";
  return `Commands must start with one of ${patterns.map((one) => JSON.stringify(one)).join(", ")}. `;
}

/** Who the model is, who hears it, and when it is done. */
function whoItIs({ agent }: RunSnapshot, { tools, isTask = false }: PromptFacts): string[] {
  const name = agent?.id === undefined ? "an autonomous agent" : `the agent ${agent.id}`;
  const asks = tools.includes("user_ask")
    ? "A person can be asked with user_ask, and may take days to answer: ask only what you cannot find out or decide yourself."
    : "Nobody answers questions.";
  const end = isTask
    ? "Another agent gave you this task: when you are done, your last reply, which has no tool call, goes back to it."
    : "When you are done, reply with a short summary and no tool call.";
  const lines = [`You are ${name}. You work until the task is done. ${asks} ${end}`];
  if (tools.includes("agent_spawn")) {
    lines.push(
      "agent_spawn gives a task to another agent. What it may do is decided by its own capabilities, not by yours; what it writes with content_write is there for you as well, unless it is private. The result of a task that is not waited for is told to you when it is there, at the latest when you have nothing more to say.",
    );
  }
  if (agent !== undefined && dottedTool.test(agent.instructions)) {
    lines.push(
      "Where your instructions write the name of a tool with a dot, it has an underscore: content.write is content_write.",
    );
  }
  return lines;
}

const dottedTool = /\b(agent|artifact|content|execution|sandbox|session|user|workflow)\.[a-z]/;

/** What the submission has put around the run's commands. */
function prepared({ environment }: RunSnapshot): string[] {
  const { packages = [], envVars = {} } = environment ?? {};
  const installed = packages.map(({ name, version }) => (version ? `${name} ${version}` : name));
  const names = Object.keys(envVars);
  return [
    ...(installed.length > 0
      ? [`Installed for this run, and found by its commands: ${installed.join(", ")}.`]
      : []),
    ...(names.length > 0 ? [`Set in the environment of every command: ${names.join(", ")}.`] : []),
  ];
}

function askable(secrets: readonly string[]): string {
  const shown = secrets.slice(0, 50).join(", ");
  const more = secrets.length > 50 ? ` and ${secrets.length - 50} more` : "";
  return `Secrets that a command may ask to have in its environment, with credential_env, once a person has agreed: ${shown}${more}.`;
}

function surroundings(snapshot: RunSnapshot, facts: PromptFacts): string {
  const { tools, limits, secrets = [] } = facts;
  const lines = whoItIs(snapshot, facts);
  if (tools.includes("sandbox_exec")) {
    const { agent, environment } = snapshot;
    const hosts = grantedHosts(agent?.capabilities ?? ofNetworking(environment));
    const isProxied = hosts.length > 0 || (snapshot.proxyEndpoints ?? []).length > 0;
    lines.push(
      `Commands run with sandbox_exec, in bash, in a Linux sandbox ${isProxied ? "whose only network is a proxy" : "without any network"}. The working directory is /tmp, your home is /workspace; both are kept between calls, everything else is read-only. A command may take ${limits.callSeconds} seconds. Processes that are left in the background end with the command.`,
      `sh, bash, python3, pip, node, npm, git and curl are installed; ${reachable(hosts)}`,
      `${permitted(snapshot)}Programs that delete or wipe (rm, dd), change privileges (sudo, su) or print the environment (env, printenv) are refused. A command that would reach the network any further, or hides what it does, waits until a person has answered: give it an intent, one clear sentence for that person, or network: "none" when it needs no network. The gateway then goes on with the call itself, and its result tells you how it was answered.`,
    );
  }
  if (tools.includes("sandbox_exec")) lines.push(...prepared(snapshot));
  if (tools.includes("sandbox_exec") && secrets.length > 0) lines.push(askable(secrets));
  if (tools.includes("sandbox_exec") && snapshot.proxyEndpoints?.length) {
    lines.push(endpoints(snapshot.proxyEndpoints));
  }
  if (tools.includes("content_write")) {
    lines.push(
      "Write files with content_write rather than in shell commands; a file written as NAME is at /tmp/NAME for the next command.",
    );
  }
  if (tools.includes("artifact_build")) lines.push(artifacts);
  if (snapshot.files?.length) {
    const shown = snapshot.files.slice(0, 100).map((file) => `/workspace/${file.path}`);
    const more = snapshot.files.length - shown.length;
    lines.push(`Input files: ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`);
  }
  lines.push(...givenBundles(snapshot, tools));
  if (snapshot.outputDirs?.length) {
    lines.push(
      `Put the files that are the result of your work into ${snapshot.outputDirs.join(" or ")}: they are handed to the user as they are there at the end. Files elsewhere are thrown away.`,
    );
  }
  lines.push(
    "A result with ok: false says what went wrong and what to do about it: change your approach, do not repeat the same call.",
  );
  return lines.join("\n");
}
