import type { Kysely } from "kysely";
import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import { contentsOf } from "./derived.ts";
import type { Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { ContentRow } from "./store.ts";

/** A moment in the life of a run: an event of it, and when that was. */
export interface Moment {
  workspaceId: string;
  rootRunId: string;
  runId: string;
  seq: number;
  time: string;
}

/** What runs could see at some time in the past. */
export interface Forks {
  /** Every version of content that the tree had at that moment, oldest first. */
  contentAt(moment: Moment): Promise<ContentRow[]>;
  /** The refs of artifacts that the tree had at that moment and that are still in force, oldest first. */
  artifactsAt(moment: Moment): Promise<{ ref: string; artifactId: string; name: string | null }[]>;
}

const pageRows = 200;

export function openForks({ reads, clock }: Pick<Parts, "reads" | "clock">): Forks {
  return {
    async contentAt(moment) {
      const versions: ContentRow[] = [];
      for (let runId = "", seq = 0; ; ) {
        const page = await pageOf(reads, moment, { runId, seq });
        for (const { run_id, time, type, data } of page) {
          // Of one time, the order is that of the journals.
          const event = { type, data: JSON.parse(data) } as NewEvent;
          for (const content of contentsOf(event)) {
            versions.push({ ...content, runId: run_id, order: Date.parse(time) });
          }
        }
        const last = page.at(-1);
        if (last === undefined) break;
        runId = last.run_id;
        seq = last.seq;
      }
      return versions
        .toSorted((one, other) => one.order - other.order)
        .map((version, order) => ({ ...version, order }));
    },
    async artifactsAt({ workspaceId, rootRunId, time }) {
      const now = new Date(clock.now()).toISOString();
      const rows = await reads
        .selectFrom("artifact_refs")
        .leftJoin("artifacts", (join) =>
          join
            .onRef("artifacts.id", "=", "artifact_refs.artifact_id")
            .onRef("artifacts.workspace_id", "=", "artifact_refs.workspace_id"),
        )
        .select(["artifact_refs.ref", "artifact_refs.artifact_id", "artifacts.name"])
        .where("artifact_refs.workspace_id", "=", workspaceId)
        .where("artifact_refs.root_run_id", "=", rootRunId)
        .where("artifact_refs.created_at", "<=", time)
        .where("artifact_refs.revoked_at", "is", null)
        .where((eb) =>
          eb.or([
            eb("artifact_refs.expires_at", "is", null),
            eb("artifact_refs.expires_at", ">", now),
          ]),
        )
        .orderBy("artifact_refs.created_at", "desc")
        .limit(limits.forkArtifacts)
        .execute();
      return rows
        .map(({ ref, artifact_id: artifactId, name }) => ({ ref, artifactId, name }))
        .reverse();
    },
  };
}

/** The events of the tree that may have written content until then, in the order of their runs. */
function pageOf(
  db: Kysely<Schema>,
  { workspaceId, rootRunId, runId, seq, time }: Moment,
  after: { runId: string; seq: number },
) {
  return db
    .selectFrom("events")
    .innerJoin("runs", "runs.id", "events.run_id")
    .select(["events.run_id", "events.seq", "events.time", "events.type", "events.data"])
    .where("runs.root_run_id", "=", rootRunId)
    .where("runs.workspace_id", "=", workspaceId)
    .where("events.type", "in", ["call.finished", "run.forked"])
    .where((eb) =>
      eb.or([
        eb.and([eb("events.run_id", "=", runId), eb("events.seq", "<=", seq)]),
        eb.and([eb("events.run_id", "<>", runId), eb("events.time", "<=", time)]),
      ]),
    )
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("events.run_id", "events.seq"), ">", tuple(after.runId, after.seq)),
    )
    .orderBy("events.run_id")
    .orderBy("events.seq")
    .limit(pageRows)
    .execute();
}
