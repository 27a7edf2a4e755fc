import { grantedHosts } from "../policy/policy.ts";
import { scriptSurroundings } from "../tools/tools.ts";
import { callLimits } from "./call-limits.ts";
import type { Drive } from "./drive.ts";
import { agentScriptOf } from "./script-agent.ts";
import { surroundingsOf } from "./surroundings.ts";

/**
 * Opens the sandbox of the next command while the model still thinks about it. A run that has not used its place since
 * this gateway started has nothing to open it in yet. What stands in the way of it is told by the command that needs it.
 */
export async function openSandboxAhead(drive: Drive): Promise<void> {
  const { place, ledger, sandbox, tools, limits, power, runId, log } = drive;
  const script = agentScriptOf(ledger.state);
  const isUsed = script ?? tools.some(({ capability }) => capability === "CodeExecution");
  if (!place || !isUsed) return;
  try {
    const hosts = [...grantedHosts(power.capabilities), ...(power.endpoints ?? [])];
    const around = (reached: readonly string[]) => surroundingsOf(drive, reached);
    const surroundings = script
      ? await scriptSurroundings({ surroundings: around, hosts }, script)
      : await around(hosts);
    sandbox.prepare(place, callLimits(limits), surroundings);
  } catch (error) {
    log.warn({ run: runId, err: error }, "sandbox.not_ahead");
  }
}
