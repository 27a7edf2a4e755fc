import type { ClientRequest, IncomingMessage } from "node:http";

import { limits } from "../base/limits.ts";
import type { Course, Endpoint } from "./call-course.ts";
import type { ProxyAnswer, ProxyRequest } from "./proxy.ts";
import { withoutCanary } from "./proxy-canary.ts";
import { spendCredential } from "./proxy-credential.ts";
import { type CallStage, failureOf } from "./proxy-failure.ts";
import { give } from "./proxy-give.ts";
import { type PlannedCall, planCall } from "./proxy-plan.ts";
import { ProxyRefused } from "./proxy-refused.ts";
import { exchange, type Outgoing, openRequest } from "./proxy-send.ts";
import { UpstreamRefused } from "./upstream-refused.ts";

type Taken = { outgoing: Outgoing; sending: ClientRequest };

/**
 * One call from its policy to its answer: nothing costs before the policy, nothing is sent before it is paid for, and
 * no answer is whole before it is written down. Rejects with what ended it; the call is settled then.
 */
export async function takeCourse(course: Course): Promise<ProxyAnswer> {
  const { record, cut, books } = course;
  let stage: CallStage = "asked";
  try {
    const request = course.canary ? withoutCanary(course.request, course.canary) : course.request;
    const plan = planCall(course.endpoint.use.policy, request);
    record.mode_clamped = plan.modeClamped;
    course.hold(course.request.door === "http" ? 0 : plan.responseBytesMost);
    const outgoing = outgoingOf(course.endpoint, request, plan);
    // Over a connection that is kept it is sent at once, so that one thing to write down is enough.
    const isKept = course.endpoint.upstream.isKept();
    if (isKept) checkBytes(course);
    const remainingCalls = await reserve(course, isKept);
    stage = isKept ? "sent" : "reserved";
    const sending = await connect(course, outgoing);
    if (!isKept) await books.sent(record.id);
    stage = "sent";
    const response = await answered(course, { outgoing, sending });
    record.status = response.statusCode ?? 0;
    return await give(course, plan, response, remainingCalls);
  } catch (error) {
    const { outcome, code, shown } = failureOf(error, cut, stage);
    if (code === "internal_error") course.log.error({ err: error }, "proxy.call_failed");
    // Whatever is still connected for it is not.
    cut.abort(error);
    if (error instanceof UpstreamRefused) record.address ??= error.address;
    try {
      if (stage === "reserved" && outcome === "denied") await books.release(record.id);
    } finally {
      await course.settle(outcome, code);
    }
    throw shown;
  }
}

/** Takes the call off the budget; answers how many are left. With `isSent` it counts from here on, whatever happens. */
async function reserve({ endpoint, record, books }: Course, isSent: boolean): Promise<number> {
  const { policy } = endpoint.use;
  const { ok, usedCalls, usedBytes } = await books.reserve(policy, record.id, isSent);
  if (!ok) {
    const words = `The endpoint has none of its ${policy.perCallBudget} calls left in this run`;
    throw new ProxyRefused("budget_exceeded", words);
  }
  endpoint.bytes.start(usedBytes);
  return Math.max(0, policy.perCallBudget - usedCalls);
}

function checkBytes({ endpoint }: Course): void {
  if (endpoint.bytes.left() > 0) return;
  const { responseByteBudget } = endpoint.use.policy;
  const words = `The endpoint has none of its ${responseByteBudget} bytes left in this run`;
  throw new ProxyRefused("budget_exceeded", words);
}

/** The call as it will be sent, with the credential in it. */
function outgoingOf(endpoint: Endpoint, request: ProxyRequest, plan: PlannedCall): Outgoing {
  const { policy } = endpoint.use;
  const spent = spendCredential(policy.authShape, endpoint.use.credential(), plan);
  return {
    ...{ method: plan.method, host: new URL(policy.baseUrl).host, path: plan.path, ...spent },
    ...{ body: request.body, bodyBytes: request.bodyBytes, bodyBytesMost: policy.maxRequestBytes },
  };
}

/** Connects, unless a connection is kept; nothing is sent yet. */
async function connect(course: Course, outgoing: Outgoing): Promise<ClientRequest> {
  checkBytes(course);
  return openWhenFree(course, outgoing);
}

/** Calls in a burst wait for the connections of those before them, as long as their own time lasts. */
async function openWhenFree(course: Course, outgoing: Outgoing): Promise<ClientRequest> {
  const { endpoint, cut, clock } = course;
  for (;;) {
    try {
      const request = await openRequest(endpoint.upstream, outgoing, cut.signal);
      course.record.address = endpoint.upstream.addressOf(request);
      return request;
    } catch (error) {
      const isFull = error instanceof UpstreamRefused && error.reason === "connections_limit";
      if (!isFull) throw error;
      await clock.sleep(limits.proxyConnectionWaitMs, cut.signal);
    }
  }
}

/**
 * The upstream's answer. A kept connection that ended while the call was written down has carried nothing of it, and
 * another one is made; once a byte was sent, nothing is ever sent again: the upstream may have done what it was told.
 */
async function answered(course: Course, { outgoing, sending }: Taken): Promise<IncomingMessage> {
  const { record, cut } = course;
  const request = sending.destroyed ? await openWhenFree(course, outgoing) : sending;
  return exchange(request, outgoing, cut, (bytes) => {
    record.request_bytes += bytes;
  });
}
