import type { Clock } from "../base/clock.ts";
import { isDeeper } from "../base/is-deeper.ts";
import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import { SdkMethod, sdkMethods } from "../contract/sdk-call.ts";
import { type Decision, decide, type Power } from "../policy/policy.ts";
import { KnowledgeRefused } from "../store/store.ts";
import { functionNames, prepareSdkCall, type SdkOwner } from "./sdk-door-methods.ts";

export interface SdkCallsOptions extends SdkOwner {
  power: Power;
  callId: () => string | null;
  append: (event: NewEvent) => Promise<void>;
  clock: Pick<Clock, "monotonic">;
}

/** What code in the sandbox is answered: JSON-RPC without its envelope. */
export type SdkAnswer =
  | { result: Record<string, unknown> }
  | { error: { code: number; message: string; data: { error_type: string } } };

/** Whether some call of the SDK could ever be allowed. */
export function mayCallSdk(power: Power): boolean {
  return sdkMethods.some((name) => decideSdk(name, power).decision === "allow");
}

/**
 * Answers the calls of one run, one after the other: each is decided (I5), done, and answered once it is durable. What it
 * takes is bounded by a rate, by a number in all, and by what may wait.
 */
export function openSdkCalls(options: SdkCallsOptions): {
  answer(method: unknown, params: unknown): Promise<SdkAnswer>;
  /** Resolves when what was asked for has been answered. */
  settled(): Promise<unknown>;
} {
  const { power, callId, append, redact } = options;
  const mayGo = openRate(options.clock);
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let answered = 0;
  let bytes = 0;
  let denials = 0;

  const deny = async (name: SdkMethod, { rule }: Decision) => {
    denials += 1;
    if (denials <= limits.sdkDenials) {
      const data = { call_id: callId(), method: name, decision: "deny", rule, asked: {} } as const;
      await append({ type: "sdk.called", data });
    }
    return failure("policy_violation", `${name}: ${rule}`);
  };

  const answerNow = async (method: unknown, params: unknown): Promise<SdkAnswer> => {
    const known = SdkMethod.safeParse(method);
    if (!known.success) return unsupported(method);
    const name = known.data;
    const decision = decideSdk(name, power);
    if (decision.decision !== "allow") return deny(name, decision);
    // What walks over it afterwards, here and for whoever reads the journal, calls itself at each level.
    if (isDeeper(params, limits.requestJsonDepth)) {
      return failure(
        "validation",
        `${name}: is nested deeper than ${limits.requestJsonDepth} levels`,
      );
    }
    const prepared = prepareSdkCall(name, params);
    if (!prepared.ok) return failure("validation", prepared.message);
    answered += 1;
    if (answered > limits.sdkRequestsInAll) {
      const most = `more than ${limits.sdkRequestsInAll} calls of the SDK`;
      return failure("rate_limit_exceeded", `The run made ${most}`);
    }
    const { wrote, answer } = await prepared.work(options);
    const { asked, emitted, ...own } = wrote;
    const data = {
      ...{ call_id: callId(), method: name, decision: "allow" as const, rule: decision.rule },
      asked: redact(asked) as typeof asked,
      ...(emitted ? { emitted: redact(emitted) as typeof emitted } : {}),
      ...own,
    };
    const size = Buffer.byteLength(JSON.stringify(data));
    if (size > limits.eventStringBytes) {
      return failure("validation", `${name}: is longer than an event can hold`);
    }
    if (bytes + size > limits.sdkBytesInAll) {
      const most = `more than ${limits.sdkBytesInAll} bytes by calls of the SDK`;
      return failure("rate_limit_exceeded", `The run would write ${most}`);
    }
    bytes += size;
    await append({ type: "sdk.called", data });
    return { result: answer };
  };

  return {
    answer(method, params) {
      if (!mayGo() || waiting >= limits.sdkWaiting) {
        const most = `${limits.sdkPerSecond} calls of the SDK in a second`;
        return Promise.resolve(failure("rate_limit_exceeded", `The run makes more than ${most}`));
      }
      waiting += 1;
      const next = last
        .then(() => answerNow(method, params))
        .catch((error: unknown): SdkAnswer => {
          if (!(error instanceof KnowledgeRefused)) throw error;
          const kind = error.reason === "not_yours" ? "policy_violation" : "rate_limit_exceeded";
          return failure(kind, error.message);
        })
        .finally(() => {
          waiting -= 1;
        });
      last = next.catch(() => undefined);
      return next;
    },
    settled: () => last,
  };
}

function decideSdk(name: SdkMethod, power: Power): Decision {
  const decisions = functionNames(name).map((function_) =>
    decide({ type: "SandboxFunctions", name: function_ }, power),
  );
  const [first] = decisions;
  const allowed = decisions.find(({ decision }) => decision === "allow") ?? first;
  // Every method has a name of its own first.
  return allowed as Decision;
}

function unsupported(method: unknown): SdkAnswer {
  const name = JSON.stringify(typeof method === "string" ? method.slice(0, 100) : null);
  const message = `unsupported SDK method ${name}: expected one of ${sdkMethods.join(", ")}`;
  return { error: { code: -32_601, message, data: { error_type: "unsupported" } } };
}

export function failure(errorType: string, message: string, code = -32_000): SdkAnswer {
  return { error: { code, message, data: { error_type: errorType } } };
}

/** So many in a second, and after a pause so many at once. */
function openRate(clock: Pick<Clock, "monotonic">): () => boolean {
  let left: number = limits.sdkBurst;
  let at = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    left = Math.min(limits.sdkBurst, left + ((now - at) * limits.sdkPerSecond) / 1000);
    at = now;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}
