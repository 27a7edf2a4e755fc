import { onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import type { ApprovalRequest } from "../../src/contract/approval.ts";
import type { NewEvent } from "../../src/contract/event.ts";
import { newApprovalId, newId } from "../../src/contract/ids.ts";
import { type AnswerToWrite, type NewRun, openStore, type Store } from "../../src/store/store.ts";
import { appendNext, claimedRun, digestOf, startedEvents } from "./sample-store.ts";

/** A wall clock that a test sets. */
export interface TestClock {
  time: number;
  now(): number;
}

export const day = 24 * 60 * 60_000;
export const noon = Date.UTC(2026, 10, 21, 12);

export function testClock(time = noon): TestClock {
  const clock = { time, now: () => clock.time };
  return clock;
}

/** A store that lives by a clock of the test, and is closed when the test is over. */
export async function openTimedStore(dir: string, clock: Pick<TestClock, "now">): Promise<Store> {
  const store = await openStore({
    dir,
    clock: { ...systemClock, now: () => clock.now() },
    log: openLog("silent"),
    onBroken: () => {},
  });
  let open = true;
  const close = store.close;
  store.close = async () => {
    if (open) await close();
    open = false;
  };
  onTestFinished(() => store.close());
  return store;
}

/** A request like many; the keys come from one word each, so that a test says which requests are the same. */
export function sampleRequest(
  over: Partial<ApprovalRequest> & { call?: string; program?: string } = {},
  runId = "",
): ApprovalRequest {
  const { call = "fetch", program, ...rest } = over;
  return {
    request_id: newApprovalId(),
    call_id: newId("call"),
    agent: { id: null, revision: digestOf("agent") },
    tool: program === undefined ? "sandbox_exec" : "artifact_exec",
    summary: `Wants to ${call}`,
    rule: "NetworkAccess is not granted",
    intent: null,
    warning: null,
    subject: {
      ...{ tool: "sandbox_exec", command: call, artifact_id: null, artifact_digest: null },
      ...{ entrypoint: null, arguments: { command: call }, files: [] },
    },
    findings: [],
    hosts: ["api.example.org:443"],
    binding: { digest: digestOf(call), parts: {} },
    keys: {
      run: digestOf(`run ${runId} ${call}`),
      agent_revision: digestOf(`agent ${call}`),
      artifact: program === undefined ? null : digestOf(`artifact ${program}`),
    },
    scopes: ["once", "run", "agent_revision"],
    default_scope: "once",
    expires_at: new Date(noon + 30 * day).toISOString(),
    ...rest,
  };
}

export function requested(request: ApprovalRequest): NewEvent {
  return { type: "approval.requested", data: request };
}

/** The event that starts the call that asked. */
export function started(request: ApprovalRequest): NewEvent {
  const { call_id, tool, request_id } = request;
  return { type: "call.started", data: { call_id, tool, turn: 1, approval: request_id } };
}

/** A run of the workspace that has asked for this and waits. */
export async function askingRun(
  store: Store,
  workspaceId: string,
  over: Parameters<typeof sampleRequest>[0] = {},
): Promise<{ run: NewRun; request: ApprovalRequest }> {
  const run = await claimedRun(store, { workspaceId });
  const request = sampleRequest(over, run.runId);
  await appendNext(store, run, [...startedEvents, requested(request)]);
  return { run, request };
}

export function approval(over: Partial<AnswerToWrite> = {}): AnswerToWrite {
  return {
    ...{ status: "approved", scope: "once", scopeExpiresAt: null, answeredBy: "tok_person" },
    ...{ note: null, rememberedUntil: null },
    ...over,
  };
}

export function refusal(over: Partial<AnswerToWrite> = {}): AnswerToWrite {
  const rememberedUntil = new Date(noon + day).toISOString();
  return approval({ status: "denied", scope: null, rememberedUntil, ...over });
}
