/**
 * The terminal: a client of the client, with no door that the API does not give everyone (I11).
 * Only `serve`, `doctor` and offline upkeep know the gateway itself.
 */
import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { addAgents } from "./agents.ts";
import { addApprovals } from "./approvals.ts";
import { addArtifacts } from "./artifacts.ts";
import { addAttestationKey } from "./attestation-key.ts";
import { addBundles } from "./bundles.ts";
import { addCompletion } from "./completion.ts";
import { type Cli, examples, type GlobalOptions, openContext } from "./context.ts";
import { addDoctor } from "./doctor.ts";
import { addDownload } from "./download.ts";
import { addEvents } from "./events.ts";
import { exit, usage } from "./exit.ts";
import { addFork } from "./fork.ts";
import { refuseInside } from "./inside.ts";
import { addInteractions } from "./interactions.ts";
import type { CliIo } from "./io.ts";
import { addLayers } from "./layers.ts";
import { addOutputs } from "./outputs.ts";
import { addPolicy } from "./policy.ts";
import { watchReader } from "./print.ts";
import { addProxyCalls } from "./proxy-calls.ts";
import { reportError } from "./report.ts";
import { addRun } from "./run.ts";
import { addRuns } from "./runs.ts";
import { addSecrets } from "./secrets.ts";
import { addServe } from "./serve.ts";
import { addTokens } from "./tokens.ts";
import { addTree } from "./tree.ts";
import { addUpkeep } from "./upkeep.ts";

export { type CliIo, processIo } from "./io.ts";

/**
 * Runs one command line (without the program's own name) and resolves with its exit code: 0 well, 1
 * failed, 2 used wrongly, 3 deadline, 130 interrupted. Never rejects.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let code: number = exit.ok;
  const reader = watchReader(io);
  let program: Command | undefined;
  const cli: Cli = {
    run:
      (work) =>
      async (...args) => {
        // Commander hands over the positional arguments (the last ones perhaps as a list), the
        // command's own options, and the command.
        const command = args.pop() as Command;
        args.pop();
        const options = command.optsWithGlobals<GlobalOptions>();
        const context = openContext(io, reader.closed, options);
        try {
          code = (await work(context, options as never, ...(args.flat() as string[]))) ?? exit.ok;
        } finally {
          context.print.close();
        }
      },
  };
  try {
    refuseInside();
    program = openProgram(cli, io);
    await program.parseAsync([...argv], { from: "user" });
    await reader.flush();
    return code;
  } catch (error) {
    if (error instanceof CommanderError && wasHelp(error)) {
      return error.exitCode === 0 ? exit.ok : exit.usage;
    }
    const flags = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : argv.length);
    const given = (flag: string) => flags.includes(flag);
    return reportError(error, io, {
      ...{ json: given("--json"), debug: given("--debug") },
      command: commandOf(program, flags),
    });
  }
}

function openProgram(cli: Cli, io: CliIo): Command {
  const program = new Command("airlock")
    .description(
      "Runs AI agents: they propose, the gateway decides, executes in a sandbox and records",
    )
    .version(version, "--version", "print the version")
    .helpOption("-h, --help", "print help")
    .option("--json", "answer in JSON; lists and events as one object per line")
    .option("--url <url>", "the gateway's address (AIRLOCK_URL)")
    .option("--token <token>", "the API token (AIRLOCK_TOKEN); default: <data dir>/admin-token")
    .option("--data-dir <dir>", "the gateway's data directory (AIRLOCK_DATA_DIR)")
    .option("--debug", "one line per request on stderr")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      // Told by `reportError`, as a sentence or as JSON.
      outputError: () => undefined,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  addCommands(program, cli);
  addVersion(program, cli);
  addHelp(program);
  return examples(
    program,
    "airlock serve",
    'airlock run --model claude-sonnet-4-5 --prompt "…" --follow',
  );
}

/** In the order in which they are needed, under what they are about. */
function addCommands(program: Command, cli: Cli): void {
  program.commandsGroup("Runs:");
  addRun(program, cli);
  addRuns(program, cli);
  addEvents(program, cli);
  addOutputs(program, cli);
  addDownload(program, cli);
  addTree(program, cli);
  addFork(program, cli);
  addProxyCalls(program, cli);
  program.commandsGroup("What runs are given:");
  addBundles(program, cli);
  addAgents(program, cli);
  addLayers(program, cli);
  addArtifacts(program, cli);
  addSecrets(program, cli);
  program.commandsGroup("What people are asked:");
  addApprovals(program, cli);
  addInteractions(program, cli);
  addPolicy(program, cli);
  program.commandsGroup("The gateway:");
  addServe(program, cli);
  addDoctor(program, cli);
  addTokens(program, cli);
  addAttestationKey(program, cli);
  addUpkeep(program, cli);
  addCompletion(program, cli);
}

/** Also of a command of a group: `airlock help skills upload`. */
function addHelp(program: Command): void {
  for (const group of program.commands) {
    if (group.commands.length > 0) group.helpCommand("help [command]", "print help of a command");
  }
  program.helpCommand(false);
  const help = program
    .command("help [command...]")
    .description("Print help of a command")
    .helpGroup("The gateway:")
    .action((words: string[]) => {
      let at = program;
      for (const word of words) {
        const next = at.commands.find((command) => command.name() === word);
        if (next === undefined)
          throw usage(`There is no command ${JSON.stringify(words.join(" "))}`);
        at = next;
      }
      at.help();
    });
  examples(help, "airlock help run", "airlock help skills upload");
}

function addVersion(program: Command, cli: Cli): void {
  const versions = program
    .command("version")
    .description("Print the version of Airlock and of Node")
    .action(
      cli.run(async ({ print }) => {
        const node = process.version;
        if (print.json) await print.value({ version, node });
        else await print.line(`airlock ${version} (node ${node})`);
        return exit.ok;
      }),
    );
  examples(versions, "airlock version");
}

/** The command that a line names, as far as it names one: `airlock agents list`. */
function commandOf(program: Command | undefined, words: readonly string[]): string {
  const path = ["airlock"];
  let at = program;
  for (const word of words) {
    const next = at?.commands.find((command) => command.name() === word);
    if (next === undefined) continue;
    path.push(word);
    at = next;
  }
  return path.join(" ");
}

function wasHelp(error: CommanderError): boolean {
  return ["commander.help", "commander.helpDisplayed", "commander.version"].includes(error.code);
}
