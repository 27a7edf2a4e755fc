import type { Command } from "commander";
import { addAgentsInit } from "./agents-init.ts";
import { addInstalledAgents } from "./agents-install.ts";
import { addAgentsValidate } from "./agents-validate.ts";
import { type Cli, examples } from "./context.ts";

/** `agents`: what people write as a `SKILL.md` and its files, here and in a gateway. */
export function addAgents(program: Command, cli: Cli): void {
  const agents = program.command("agents").description("Write, check and install agents");
  examples(agents, "airlock agents init my-agent", "airlock agents validate my-agent");
  addAgentsInit(agents, cli);
  addAgentsValidate(agents, cli);
  addInstalledAgents(agents, cli);
}
