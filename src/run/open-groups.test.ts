import { describe, expect, it } from "vitest";
import {
  callFinished,
  journalOf,
  provisioned,
  replied,
  started,
  submitted,
} from "../../test/support/journal-of.ts";
import { assert } from "../base/assert.ts";
import type { JoinPolicy } from "../contract/workflow.ts";
import { openGroups } from "./open-groups.ts";
import { applyEvent, foldState, type Task } from "./state.ts";

function open(...tasks: [id: string, group: string, policy: JoinPolicy, was?: Partial<Task>][]) {
  const all = tasks.map(([task_id, group, policy, was]): [string, Task] => [
    task_id,
    {
      ...{ task_id, group, policy, agent_id: "a.default", async: true },
      ...{ seen: false, joined: false, ...was },
    },
  ]);
  return openGroups({ tasks: new Map(all) }).map(({ group, tasks: ids }) => [group, ...ids]);
}

describe("the groups that a run waits for by itself", () => {
  it("are those with an end that the model was not told of", () => {
    expect(open(["1", "a", "all"], ["2", "a", "all", { seen: true }], ["3", "b", "all"])).toEqual([
      ["a", "1", "2"],
      ["b", "3"],
    ]);
    expect(open(["1", "a", "all", { seen: true }])).toEqual([]);
  });

  it("are no groups that nobody joins", () => {
    expect(open(["1", "a", "manual"])).toEqual([]);
  });

  it("have what was given after a join, and not what was joined", () => {
    expect(open(["1", "a", "all", { joined: true }], ["2", "a", "all"])).toEqual([["a", "2"]]);
  });

  it("are done for `any` with one end that was told, and not for `first_success`", () => {
    const seen = { seen: true };
    expect(open(["1", "a", "any", seen], ["2", "a", "any"])).toEqual([]);
    expect(open(["1", "a", "first_success", seen], ["2", "a", "first_success"])).toEqual([
      ["a", "1", "2"],
    ]);
  });

  it("have what was given to a group of `any` after one of its ends was told", () => {
    const task = (task_id: string) => ({
      ...{ task_id, group: "a", policy: "any" as const, agent_id: "a.default", async: true },
    });
    const calls = ["one", "two", "look", "three"].map((callId) => ({ callId }));
    const state = foldState(
      "ws",
      journalOf([
        ...[submitted(), started, provisioned, replied(1, calls)],
        callFinished("one", { ok: true }, { task: task("1") }),
        callFinished("two", { ok: true }, { task: task("2") }),
        callFinished("look", { ok: true }, { seen_tasks: ["1"] }),
      ]),
    );
    expect(openGroups(state)).toEqual([]);
    const [late] = journalOf([callFinished("three", { ok: true }, { task: task("3") })]);
    assert(late, "there is an event");
    applyEvent(state, { ...late, seq: state.seq + 1 });
    expect(openGroups(state)).toEqual([{ group: "a", policy: "any", tasks: ["3"] }]);
  });
});
