import type { RunSnapshot } from "../contract/submission.ts";
import { grantedHosts } from "../policy/policy.ts";
import type { EffectiveLimits } from "./next-step.ts";

/**
 * What the model is told before the prompt: where it is, what its tools do and where results go; then the agent's own
 * instructions and the submission's `system`. Only facts of this run, so that it can act on every sentence.
 */
export function systemPrompt(
  snapshot: RunSnapshot,
  tools: readonly string[],
  limits: EffectiveLimits,
): string {
  const sections = [surroundings(snapshot, tools, limits)];
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

/** The commands that an agent may run, when those are not all. */
function permitted({ agent }: RunSnapshot): string {
  const patterns = (agent?.capabilities ?? []).flatMap((one) =>
    one.type === "CodeExecution" ? one.patterns : [],
  );
  if (patterns.length === 0 || patterns.includes("*")) return "";
  return `Commands must start with one of ${patterns.map((one) => JSON.stringify(one)).join(", ")}. `;
}

function surroundings(
  snapshot: RunSnapshot,
  tools: readonly string[],
  limits: EffectiveLimits,
): string {
  const lines = [
    "You are an autonomous agent. You work alone until the task is done: nobody answers questions. When you are done, reply with a short summary and no tool call.",
  ];
  if (tools.includes("sandbox_exec")) {
    const hosts = grantedHosts(snapshot.agent?.capabilities ?? []);
    lines.push(
      `Commands run with sandbox_exec, in bash, in a Linux sandbox ${hosts.length > 0 ? "whose only network is a proxy" : "without any network"}. The working directory is /tmp, your home is /workspace; both are kept between calls, everything else is read-only. A command may take ${limits.callSeconds} seconds. Processes that are left in the background end with the command.`,
      `sh, bash, python3, pip, node, npm, git and curl are installed; ${reachable(hosts)}`,
      `${permitted(snapshot)}Programs that delete or wipe (rm, dd), change privileges (sudo, su) or print the environment (env, printenv) are refused. A command that would reach the network any further, or hides what it does, waits until a person has answered: give it an intent, one clear sentence for that person, or network: "none" when it needs no network. The gateway then goes on with the call itself, and its result tells you how it was answered.`,
    );
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
