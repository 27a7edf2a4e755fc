import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import {
  type McpErrorCode,
  type McpListed,
  type McpServer,
  mcpPrefix,
} from "../contract/mcp-server.ts";
import { clip, fitTools, McpError } from "../mcp/mcp.ts";
import { mayCallSome } from "../policy/policy.ts";
import type { Drive } from "./drive.ts";
import type { McpClients } from "./mcp-clients.ts";
import { hostOf, mcpServersOf } from "./mcp-servers.ts";
import type { RunState } from "./state.ts";

/**
 * Asks each server of the run for its tools before the first turn, once: what it said is in the journal, so that every
 * later turn shows the model the same, after a crash too. One that could not be asked does not end the run; it is asked
 * again before later turns, a few times. False when the run was stopped meanwhile: nothing is written then.
 */
export async function listMcpServers(drive: Drive): Promise<boolean> {
  const { ledger, mcp, signal } = drive;
  const { snapshot } = ledger.state;
  const isModel = !snapshot.program && snapshot.agent?.execution_mode !== "script";
  if (mcp === undefined || !isModel) return true;
  const due = mcpServersOf(snapshot).filter(({ name }) => isDue(ledger.state, name));
  if (due.length === 0) return true;
  const events = await Promise.all(due.map((server) => listed(drive, mcp, server)));
  if (signal.aborted) return false;
  await ledger.append(...events.filter((event) => event !== undefined));
  return true;
}

function isDue({ mcp }: RunState, server: string): boolean {
  const last = mcp.get(server);
  if (last === undefined) return true;
  const { listed, attempts } = last;
  const isFinal = listed.error === null || listed.error.code === "not_covered";
  return !isFinal && attempts < limits.mcpListAttempts;
}

async function listed(
  drive: Drive,
  mcp: McpClients,
  server: McpServer,
): Promise<NewEvent | undefined> {
  const { runId, log, signal, secrets } = drive;
  const said = { server: server.name, host: hostOf(server) };
  const prefix = mcpPrefix(server.name);
  if (!mayCallSome(drive.power, prefix)) {
    const message = `Neither is asked nor reached: no SandboxFunctions of the agent and its grants covers ${prefix}`;
    return eventOf(drive, { ...said, ...failed("not_covered", message) });
  }
  try {
    const { tools: told, protocol } = await mcp.of(server).listTools(signal);
    // Before anything is shortened: half of a secret would not be found (I6).
    const tools = secrets.redactor("transcript").json(told) as typeof told;
    log.info({ run: runId, ...said, protocol, tools: tools.length }, "mcp.listed");
    return eventOf(drive, { ...said, protocol, error: null, ...fitTools(server.name, tools) });
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!(error instanceof McpError)) throw error;
    const { code } = error;
    const message = clip(secrets.redactor("transcript").text(error.message), limits.mcpErrorChars);
    log.warn({ run: runId, ...said, code }, "mcp.unlisted");
    return eventOf(drive, { ...said, ...failed(code, message) });
  }
}

function failed(code: McpErrorCode, message: string): Omit<McpListed, "server" | "host"> {
  return { protocol: null, tools: [], error: { code, message } };
}

async function eventOf(drive: Drive, data: McpListed): Promise<NewEvent> {
  return { type: "mcp.listed", data: (await drive.record.keep(data)) as McpListed };
}
