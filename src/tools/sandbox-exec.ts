import { z } from "zod";
import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import type { Surroundings } from "../sandbox/sandbox.ts";
import { AnyArtifact, artifactNotFound } from "./artifact-named.ts";
import { ApprovalRef, NetworkNone } from "./asked-arguments.ts";
import { runBuild } from "./build.ts";
import { shownLayer } from "./capture-layers.ts";
import { CapturePaths } from "./capture-paths.ts";
import { runCommand, stageContent, stagingNotes } from "./command.ts";
import { CredentialEnvArgument, secretsOf } from "./credential-env.ts";
import {
  Dependencies,
  ecosystemOf,
  installDependencies,
  modulesForImport,
} from "./dependencies.ts";
import { runInArtifact } from "./in-artifact.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";
import { wantsCode } from "./wanted.ts";

const SandboxExec = z
  .strictObject({
    command: z
      .string()
      .refine((command) => command.trim() !== "", "must not be blank")
      .refine((command) => !command.includes("\0"), "must not contain NUL")
      .refine(
        (command) => Buffer.byteLength(command) <= limits.commandBytes,
        `exceeds ${limits.commandBytes} bytes: write a script with content_write and run that`,
      )
      .optional()
      .describe("A shell command. The working directory is /tmp, your files are there by name"),
    intent: z.string().max(1000).optional().describe("What it is for, in one sentence, for people"),
    capture_paths: CapturePaths.optional().describe(
      "Directories to keep as immutable layers when the command has succeeded, such as one that pip install --target fills. Each starts empty",
    ),
    fresh: z
      .boolean()
      .optional()
      .describe("With capture_paths: run it even when the same build was done before"),
    dependencies: Dependencies.optional().describe(
      "Packages to install before the command, as a layer of its own that is kept for later",
    ),
    artifact_ref: AnyArtifact.optional().describe(
      "Run inside this artifact: its files in /tmp, its layers, nothing else",
    ),
    artifact_id: AnyArtifact.optional().describe("The same as artifact_ref"),
    network: NetworkNone.optional(),
    credential_env: CredentialEnvArgument,
    approval_ref: ApprovalRef.optional(),
  })
  .superRefine((args, check) => {
    const refuse = (path: string, message: string) =>
      check.addIssue({ code: "custom", path: [path], message });
    if (args.command === undefined && args.approval_ref === undefined) {
      refuse("command", "expected a shell command");
    }
    const artifact = args.artifact_ref ?? args.artifact_id;
    if (args.artifact_ref !== undefined && args.artifact_id !== undefined) {
      refuse("artifact_id", "must not be given beside artifact_ref: both name the artifact");
    }
    if (artifact !== undefined && args.capture_paths !== undefined) {
      refuse("capture_paths", "must not be given with an artifact: it is closed, and run as it is");
    }
    if (artifact !== undefined && args.dependencies !== undefined) {
      refuse(
        "dependencies",
        "must not be given with an artifact: its dependencies are in its layers already, and installing them again needs a network that it does not have",
      );
    }
    if (args.dependencies !== undefined && args.capture_paths !== undefined) {
      refuse(
        "dependencies",
        "must not be given with capture_paths: install with the command itself",
      );
    }
  });
type SandboxExec = z.infer<typeof SandboxExec>;

export const sandboxExec: Tool<SandboxExec> = {
  name: "sandbox_exec",
  description:
    "Runs a shell command in the sandbox (bash) and returns its exit code, stdout and stderr. It has no network, unless you have NetworkAccess or a person approves the hosts that it would reach: such a call waits for the answer. rm, sudo, env and the like are refused. capture_paths turns directories that it fills into layers for artifact_build.",
  input: SandboxExec,
  repeatable: false,
  capability: "CodeExecution",
  wants: ({ command, network, dependencies, artifact_ref, artifact_id, credential_env }) =>
    wantsCode({
      ...{
        command: command ?? null,
        network: network ?? "granted",
        artifact: artifact_ref ?? artifact_id ?? null,
      },
      installs: dependencies === undefined ? null : ecosystemOf(dependencies),
      secrets: secretsOf(credential_env),
    }),

  async run(args, context) {
    const { command } = args;
    assert(command !== undefined, "a call without a command is answered from its approval");
    const secrets = secretsOf(args.credential_env);
    const named = args.artifact_ref ?? args.artifact_id;
    if (named !== undefined) {
      const artifact = await context.findArtifact(named);
      if (artifact === undefined) return { result: artifactNotFound(named) };
      return runInArtifact(context, artifact, { command }, secrets);
    }
    if (args.capture_paths !== undefined) {
      const { capture_paths: captures, fresh = false } = args;
      return runBuild(context, { command, captures, fresh, secrets });
    }
    if (args.dependencies === undefined) return runHere(command, context, secrets);
    const installed = await installDependencies(context, args.dependencies);
    if (!installed.ok) return { result: installed.result };
    const outcome = await runHere(command, context, secrets, installed);
    const dependency_layers = installed.layers.map(shownLayer);
    return {
      ...outcome,
      result: { ...outcome.result, dependency_layers },
      layers: installed.layers,
    };
  },
};

/** Package clients of Node take the nearest `node_modules` above for theirs, and cannot write to the one of the SDK. */
function installsModules(command: string): boolean {
  return /\b(npm|npx|pnpm|yarn|bun|bunx|corepack)\b/.test(command);
}

/** What the call installed is found before what the run has, and hides none of the rest. */
function withPaths(
  own: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  const joined = ["PYTHONPATH", "NODE_PATH"].flatMap((name) => {
    const paths = [more[name], own[name]].filter((path) => path !== undefined);
    return paths.length < 2 ? [] : [[name, paths.join(":")] as const];
  });
  return { ...own, ...more, ...Object.fromEntries(joined) };
}

/** Runs a command in the run's own directories. */
async function runHere(
  command: string,
  context: ToolContext,
  secrets: Readonly<Record<string, string>>,
  more: {
    mounts: { source: string; target: string }[];
    environment: Record<string, string>;
    bins: string[];
  } = {
    mounts: [],
    environment: {},
    bins: [],
  },
): Promise<ToolOutcome> {
  const staged = await stageContent(context);
  const own = await context.surroundings(context.hosts);
  const mounts = [...more.mounts, ...modulesForImport(context, own.mounts, more.mounts)];
  const targets = new Set(mounts.map(({ target }) => target));
  const surroundings: Surroundings = {
    ...own,
    ...(installsModules(command) ? { noModules: true } : {}),
    mounts: [...own.mounts.filter(({ target }) => !targets.has(target)), ...mounts],
    environment: withPaths(own.environment, more.environment),
    bins: [...more.bins, ...own.bins],
  };
  const { sandbox, approved } = context;
  // What earlier calls left in the caches is no part of what was approved, so an approved call has its own.
  const place = approved ? await sandbox.openFreshCache(context.place) : context.place;
  const ran = await context
    .withNetwork(context.hosts, () => runCommand(context, command, surroundings, place, secrets))
    .finally(() => (approved ? sandbox.removeOnce(place) : undefined));
  const { end: _, written: __, said: ___, ...outcome } = ran.value;
  return {
    ...outcome,
    result: { ...outcome.result, ...stagingNotes(staged) },
    ...(staged.placed.length > 0 ? { staged: staged.placed } : {}),
  };
}
