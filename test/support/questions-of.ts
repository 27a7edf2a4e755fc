import { isEvent } from "../../src/sdk/sdk.ts";
import type { DirectedRun } from "./directed-run.ts";

/** What a run asks, one after the other. */
export function questionsOf(run: DirectedRun) {
  const asked = (async function* () {
    for await (const event of run.run.stream()) {
      if (isEvent(event, "approval.requested")) yield event.data;
    }
  })();
  let next = asked.next();
  return {
    /** Makes a call: what is asked about it, or undefined when it is not asked about. */
    async call(args: object, tool = "sandbox_exec") {
      const told = run.call(tool, args);
      const question = await Promise.race([next, told.then(() => undefined)]);
      if (question === undefined) return { told, request: undefined };
      next = asked.next();
      return { told, request: question.value ?? undefined };
    },
  };
}
