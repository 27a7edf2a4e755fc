import { z } from "zod";
import { readCommand } from "../analysis/analysis.ts";
import { limits } from "../base/limits.ts";
import { AnyArtifact, artifactNotFound } from "./artifact-named.ts";
import { runBuild } from "./build.ts";
import { shownLayer } from "./capture-layers.ts";
import { CapturePaths } from "./capture-paths.ts";
import { runCommand, stageContent, stagingNotes } from "./command.ts";
import { Dependencies, installDependencies, modulesForImport } from "./dependencies.ts";
import { runInArtifact } from "./in-artifact.ts";
import type { Tool, ToolContext, ToolOutcome } from "./tool.ts";

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
      "Run inside this artifact: its files in /tmp, its layers, nothing else, no network",
    ),
    artifact_id: AnyArtifact.optional().describe("The same as artifact_ref"),
    network: z
      .literal("none", {
        error: 'expected "none": what may be reached is decided by NetworkAccess',
      })
      .optional()
      .describe("Run without network even when there is one"),
  })
  .superRefine((args, check) => {
    const refuse = (path: string, message: string) =>
      check.addIssue({ code: "custom", path: [path], message });
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
    "Runs a shell command in the sandbox (bash) and returns its exit code, stdout and stderr. It has no network, unless you have NetworkAccess. capture_paths turns directories that it fills into layers for artifact_build.",
  input: SandboxExec,
  repeatable: false,
  capability: "CodeExecution",
  need: ({ command, network, dependencies, artifact_ref, artifact_id }) => ({
    ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
    network: network ?? ((artifact_ref ?? artifact_id) ? "none" : "granted"),
    installsFrom: dependencies === undefined ? null : [],
  }),

  async run(args, context) {
    const named = args.artifact_ref ?? args.artifact_id;
    if (named !== undefined) {
      const artifact = await context.findArtifact(named);
      if (artifact === undefined) return { result: artifactNotFound(named) };
      return runInArtifact(context, artifact, { command: args.command });
    }
    if (args.capture_paths !== undefined) {
      const { command, capture_paths: captures, fresh = false } = args;
      return runBuild(context, { command, captures, fresh });
    }
    if (args.dependencies === undefined) return runHere(args.command, context);
    const installed = await installDependencies(context, args.dependencies);
    if (!installed.ok) return { result: installed.result };
    const outcome = await runHere(args.command, context, installed);
    const dependency_layers = installed.layers.map(shownLayer);
    return {
      ...outcome,
      result: { ...outcome.result, dependency_layers },
      layers: installed.layers,
    };
  },
};

/** Runs a command in the run's own directories. */
async function runHere(
  command: string,
  context: ToolContext,
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
  const surroundings = {
    ...own,
    mounts: [...own.mounts.filter(({ target }) => !targets.has(target)), ...mounts],
    environment: { ...own.environment, ...more.environment },
    bins: [...more.bins, ...own.bins],
  };
  const run = () => runCommand(context, command, surroundings);
  const {
    end: _,
    written: __,
    ...outcome
  } = context.hosts.length === 0
    ? await run()
    : (await context.withNetwork(context.hosts, run)).value;
  return {
    ...outcome,
    result: { ...outcome.result, ...stagingNotes(staged) },
    ...(staged.placed.length > 0 ? { staged: staged.placed } : {}),
  };
}
