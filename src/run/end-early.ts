import type { NewEvent } from "../contract/event.ts";
import type { Problem } from "../contract/problem.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { Journal } from "../store/store.ts";
import type { Worker } from "./worker.ts";

type Wish = Extract<NewEvent, { type: "run.cancel_requested" | "run.stopped" }>;

/**
 * A person's wish that a run ends, written down before anything is done about it. Wished for again and again, it is
 * written down once: nothing may grow without a limit (I9). A run that has ended, or is about to, stays as it is.
 */
export function openEndEarly(options: {
  journal: Journal;
  worker: Worker;
  notFound: (workspaceId: string, runId: string) => Promise<Problem>;
}): (workspaceId: string, runId: string, wish: Wish) => Promise<Run> {
  const { journal, worker, notFound } = options;
  return async (workspaceId, runId, wish) => {
    const wished = (await journal.latest(runId, wish.type)) !== undefined;
    const written = await journal.appendFromOutside(workspaceId, runId, ({ status }) =>
      wished || isEnd(status) || status === "cleaning_up" ? null : wish,
    );
    if (!written) throw await notFound(workspaceId, runId);
    const { rootRunId } = written.run;
    if (written.event) worker.cancelled({ runId, workspaceId, rootRunId });
    return written.run;
  };
}
