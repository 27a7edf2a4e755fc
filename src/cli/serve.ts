import { resolve } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { readConfig } from "../base/config.ts";
import type { LogLevel } from "../base/log.ts";
import { isLoopbackHost } from "./address.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { port } from "./option-values.ts";

interface Options {
  dataDir?: string;
  port?: number;
  host?: string;
  logLevel?: LogLevel;
  scriptedModel?: string;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** `airlock serve`: the gateway itself. */
export function addServe(program: Command, cli: Cli): void {
  const command = program
    .command("serve")
    .description("Run the gateway until it is told to stop")
    .option("--port <n>", "the port to listen on; 0 takes a free one", port)
    .option("--host <address>", "the address to listen on; needed for any but this machine's own")
    .addOption(new Option("--log-level <level>", "how much to log on stderr").choices(logLevels))
    .option("--scripted-model <file>", "a script that the model scripted/… plays, for trying out")
    .action(cli.run<Options>(serve));
  examples(
    command,
    "airlock serve",
    "airlock serve --data-dir /srv/airlock --host 0.0.0.0 --port 7475",
  );
}

async function serve(context: Context, options: Options): Promise<number> {
  const { io, print } = context;
  const { dataDir, host, logLevel, scriptedModel } = options;
  const config = readConfig(io.env, {
    ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
    ...(host === undefined ? {} : { host }),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(scriptedModel === undefined ? {} : { scriptedModel }),
  });
  if (host === undefined && !isLoopbackHost(config.host)) {
    // A variable that somebody set long ago must not open the gateway to a network.
    throw usage(
      `AIRLOCK_HOST=${config.host} is reachable from other machines`,
      `Say that you mean it: airlock serve --host ${config.host}`,
    );
  }
  const stop = Promise.withResolvers<"signal">();
  let signals = 0;
  const release = io.onSignal((name) => {
    signals += 1;
    if (signals > 1) return io.exit(name === "SIGINT" ? 130 : 143);
    print.note("Stopping: letting work come to a safe point; once more to stop at once");
    stop.resolve("signal");
  });
  try {
    const { openGateway } = await import("../gateway.ts");
    const gateway = await openGateway(config);
    try {
      const { url, adminTokenFile } = gateway;
      if (print.json) await print.value({ url, dataDir: config.dataDir, adminTokenFile });
      else
        await print.line(
          `airlock ready on ${url} (data: ${config.dataDir}, token: ${adminTokenFile})`,
        );
      const end = await Promise.race([stop.promise, gateway.broken]);
      if (end === "signal") return exit.ok;
      io.stderr.write(`airlock: The store broke, so the gateway stops: ${end.message}\n`);
      return exit.failed;
    } finally {
      await gateway.close();
    }
  } finally {
    release();
  }
}
