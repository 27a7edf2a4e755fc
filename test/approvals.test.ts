/**
 * Approvals through a whole gateway (spec of the corridor: decide, ask, park, answer, go on), with a host that counts who
 * comes: nothing is reached before a person says so, and then what was shown and nothing else.
 *
 * The model is the test itself, so each call is made when the test makes it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApprovalDetail, isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type DirectedRun, type Director, openDirector } from "./support/directed-run.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { processesWith } from "./support/processes.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let director: Director;
let gateway: StartedGateway;
let sink: NetworkSink;
let other: NetworkSink;

beforeAll(async () => {
  [director, sink, other] = await Promise.all([openDirector(), openSink(), openSink("127.0.0.4")]);
  gateway = await startGateway({
    env: { ...director.env, AIRLOCK_PRIVATE_HOSTS: "127.0.0.3,127.0.0.4" },
  });
});
afterAll(async () => {
  await gateway.stop();
  for (const one of [director, sink, other]) await one.close();
});

/** Makes a call that has to be asked about: what is asked, and what the model is told in the end. */
async function asking(run: DirectedRun, tool: string, args: object, nth = 1) {
  const told = run.call(tool, args);
  told.catch(() => undefined);
  await untilEvent(run.run, "approval.requested", nth);
  const history = await historyOf(gateway, run.id);
  const requested = history.filter((event) => isEvent(event, "approval.requested")).at(-1);
  const id = requested?.data.request_id ?? "";
  return { told, id, shown: await clientOf(gateway).approvals.get(id) };
}

const approve = (id: string, answer = {}) => clientOf(gateway).approvals.approve(id, answer);
const deny = (id: string, answer = {}) => clientOf(gateway).approvals.deny(id, answer);
const fetching = (path: string, from = sink) => `curl -sS ${from.url}/${path}`;
const codeOnly = [{ type: "CodeExecution" as const, patterns: ["*"] }];
const agent = { id: "asker", instructions: "Do it.", capabilities: codeOnly };

async function endOf(run: DirectedRun) {
  const ended = await run.end();
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  return ended;
}

describe("a call that wants out", () => {
  it("waits for a person, holds nothing meanwhile, and then runs as it was shown", async () => {
    const run = await director.open(gateway, { outputDirs: ["/workspace/out"] });
    const command = `${fetching("once")} | tee /workspace/out/answer; : waits-${run.id}`;
    const intent = "Fetch the answer (real traffic).";
    const { told, id, shown } = await asking(run, "sandbox_exec", { command, intent });
    expect(await run.run.get()).toMatchObject({
      status: "waiting",
      waiting: { on: "approval", approvalId: id },
    });
    expect(processesWith(`waits-${run.id}`)).toEqual([]);
    expect(sink.hits()).toEqual([]);
    expect(shown).toMatchObject({
      status: "pending",
      runId: run.id,
      request: {
        tool: "sandbox_exec",
        intent,
        hosts: [sink.host],
        subject: { command, arguments: { command, intent } },
        default_scope: "once",
      },
    });
    expect(shown.toolResult).toMatchObject({
      ...{ ok: false, approval_required: true, request_id: id, approval_ref: id, intent },
      ...{ hosts: [sink.host], approval: { subject: { command } } },
    });
    await approve(id, { note: "fine" });
    expect(await told).toMatchObject({ ok: true, exit_code: 0, stdout: "reached\n" });
    expect(sink.hits()).toEqual(["/once"]);
    expect(await endOf(run)).toMatchObject({ status: "succeeded" });
    const history = await historyOf(gateway, run.id);
    const kinds = history
      .map(({ type }) => type)
      .filter((type) => /approval|call\.|egress/.test(type));
    expect(kinds).toEqual([
      ...["call.decided", "approval.requested", "approval.resolved"],
      ...["call.started", "egress.allowed", "call.finished"],
    ]);
    const answer = await run.run.downloadOutput({ path: "answer", match: "suffix" });
    expect(Buffer.from(answer).toString()).toBe("reached\n");
  });

  it("reaches the hosts that were approved and no other, for that call only (G12)", async () => {
    const run = await director.open(gateway);
    const hidden = `h=$(printf 127.0.0.%s 4); curl -sS -m 3 http://$h:${other.host.split(":")[1]}/other`;
    const before = [sink.hits().length, other.hits().length];
    const first = await asking(run, "sandbox_exec", {
      command: `${fetching("a")}; ${hidden}; true`,
    });
    expect(first.shown.request.hosts).toEqual([sink.host]);
    await approve(first.id);
    expect(await first.told).toMatchObject({ stdout: expect.stringContaining("reached") });
    // The next call has no way out again.
    const next = await run.call("sandbox_exec", { command: fetching("b"), network: "none" });
    expect(next).toMatchObject({ ok: false });
    expect([sink.hits().length, other.hits().length]).toEqual([(before[0] ?? 0) + 1, before[1]]);
    const denied = (await historyOf(gateway, run.id)).filter((event) =>
      isEvent(event, "egress.denied"),
    );
    expect(denied.map(({ data }) => data.host)).toEqual(["127.0.0.4"]);
    await endOf(run);
  });

  it("is told apart: refused, with the person's reason, and remembered", async () => {
    const run = await director.open(gateway, { agent: { ...agent, id: "refused" } });
    const command = fetching("refused");
    const before = sink.hits().length;
    const { told, id } = await asking(run, "sandbox_exec", { command });
    const answered = await deny(id, { reason: "Use the copy in /workspace" });
    expect(answered.answer?.remembered_until).not.toBeNull();
    const result = await told;
    expect(result).toMatchObject({ ok: false, approval_rejected: true, request_id: id });
    expect(JSON.stringify(result)).toContain("Use the copy in /workspace");
    // Asked again, nobody is bothered.
    const again = await run.call("sandbox_exec", { command });
    expect(again).toMatchObject({ ok: false, error_type: "permission" });
    expect(await endOf(run)).toMatchObject({ status: "succeeded" });
    const history = await historyOf(gateway, run.id);
    expect(history.filter(({ type }) => type === "approval.requested")).toHaveLength(1);
    expect(sink.hits().length).toBe(before);
  });

  it("goes on with the rest of its turn, and a later approval_ref gets the recorded result", async () => {
    const run = await director.open(gateway, { agent });
    const { told, id } = await asking(run, "sandbox_exec", { command: fetching("ref") });
    await approve(id);
    const first = await told;
    const hits = sink.hits().length;
    const replayed = await run.call("sandbox_exec", { approval_ref: id });
    expect(replayed).toMatchObject({ ...first, replayed: true });
    const same = await run.call("sandbox_exec", { command: fetching("ref"), approval_ref: id });
    expect(same).toMatchObject({ replayed: true });
    expect(sink.hits().length).toBe(hits);
    for (const [changed, args] of Object.entries({
      arguments: { command: `${fetching("ref")}?x`, approval_ref: id },
      tool: { entrypoint: "x", artifact_ref: "ar.000000000000000000000000", approval_ref: id },
    })) {
      const tool = changed === "tool" ? "artifact_exec" : "sandbox_exec";
      const mismatch = await run.call(tool, args);
      expect(mismatch).toMatchObject({ ok: false, approval_mismatch: true, changed: [changed] });
    }
    const unknown = await run.call("sandbox_exec", { approval_ref: `apr_${"0".repeat(26)}` });
    expect(unknown).toMatchObject({ ok: false, error: "approval_not_found" });
    await endOf(run);
    expect(sink.hits().length).toBe(hits);
  });
});

describe("who may answer", () => {
  it("is a token that was made for it; others get 403, strangers the same 404 (G02, G06, G07)", async () => {
    const { secret } = await clientOf(gateway).tokens.create({
      name: "runs only",
      scopes: ["runs"],
    });
    const stranger = await clientOf(gateway).tokens.create({
      ...{ name: "stranger", scopes: ["runs", "approve"], workspace: "elsewhere" },
    });
    const run = await director.open(gateway, { agent });
    const { told, id } = await asking(run, "sandbox_exec", { command: fetching("who") });
    const path = `/api/approvals/${id}/approve`;
    const asAgent = await call({ url: gateway.url, token: secret }, "POST", path, {});
    expect(asAgent.status).toBe(403);
    const asStranger = await call({ url: gateway.url, token: stranger.secret }, "POST", path, {});
    const absent = `/api/approvals/apr_${"0".repeat(26)}/approve`;
    const nothing = await call({ url: gateway.url, token: stranger.secret }, "POST", absent, {});
    expect([asStranger.status, nothing.status]).toEqual([404, 404]);
    await approve(id);
    const second = await call(gateway, "POST", `/api/approvals/${id}/deny`, {});
    expect(second.status).toBe(409);
    expect(second.body).toMatchObject({
      error: {
        code: "approval_answered",
        details: { approval: { answer: { status: "approved" } } },
      },
    });
    expect(await told).toMatchObject({ ok: true });
    await endOf(run);
  });
});

describe("what a scope covers", () => {
  const ask = async (run: DirectedRun, path: string, nth: number) =>
    asking(run, "sandbox_exec", { command: fetching(path) }, nth);

  it("run: the same call again in the same run, and none that differs", async () => {
    const run = await director.open(gateway, { agent });
    const { told, id } = await ask(run, "scope-run", 1);
    await approve(id, { scope: "run" });
    await told;
    expect(await run.call("sandbox_exec", { command: fetching("scope-run") })).toMatchObject({
      ok: true,
    });
    const changed = await ask(run, "scope-run-other", 2);
    await deny(changed.id);
    await changed.told;
    await endOf(run);
    const next = await director.open(gateway, { agent });
    const elsewhere = await ask(next, "scope-run", 1);
    await deny(elsewhere.id);
    await elsewhere.told;
    await endOf(next);
  });

  it("agent_revision: the same call of the same agent in a later run; a preview said so", async () => {
    const own = { ...agent, id: "revised" };
    const earlier = await director.open(gateway, { agent: own });
    const first = await ask(earlier, "scope-agent", 1);
    await approve(first.id);
    await first.told;
    await endOf(earlier);
    const run = await director.open(gateway, { agent: own });
    const { told, id, shown } = await ask(run, "scope-agent", 1);
    const preview = shown.previews.find(({ scope }) => scope === "agent_revision");
    expect(preview).toMatchObject({ count: 1, calls: [{ approvalId: first.id }] });
    await approve(id, { scope: "agent_revision" });
    await told;
    await endOf(run);
    const later = await director.open(gateway, { agent: own });
    expect(await later.call("sandbox_exec", { command: fetching("scope-agent") })).toMatchObject({
      ok: true,
    });
    await endOf(later);
    const changed = await director.open(gateway, { agent: { ...own, instructions: "Other." } });
    const asked = await ask(changed, "scope-agent", 1);
    await deny(asked.id);
    await asked.told;
    await endOf(changed);
  });

  it("artifact: other arguments for the same entrypoint, but not another entrypoint", async () => {
    const run = await director.open(gateway, {
      agent: { ...agent, capabilities: [...codeOnly, { type: "WriteAccess", scopes: ["self.*"] }] },
    });
    const program = `#!/bin/sh\ncurl -sS ${sink.url}/artifact/$1\n`;
    for (const name of ["one.sh", "two.sh"]) {
      await run.call("content_write", { name, content: program });
    }
    const built = await run.call("artifact_build", {
      ...{ inputs: ["one.sh", "two.sh"], entrypoints: ["one.sh", "two.sh"] },
    });
    const artifact_ref = String(built.artifact_ref);
    const exec = (entrypoint: string, arg: string) => ({ artifact_ref, entrypoint, args: [arg] });
    const { told, id, shown } = await asking(run, "artifact_exec", exec("one.sh", "x"));
    expect(shown.request).toMatchObject({ default_scope: "artifact", hosts: [sink.host] });
    await approve(id);
    expect(await told).toMatchObject({ ok: true, stdout: "reached\n" });
    expect(await run.call("artifact_exec", exec("one.sh", "y"))).toMatchObject({ ok: true });
    expect(sink.hits().slice(-2)).toEqual(["/artifact/x", "/artifact/y"]);
    const two = await asking(run, "artifact_exec", exec("two.sh", "x"), 2);
    await deny(two.id);
    await two.told;
    await endOf(run);
  });
});

describe("taking it back", () => {
  // Seconds are promised here, and a machine that is busy for one takes it from us: then it is asked anew.
  const again = { retry: 3 };

  it(
    "a revoked approval loses its network within a second, while its call goes on (G03)",
    again,
    async () => {
      const run = await director.open(gateway, { agent });
      const loop = `until curl -sS -m 1 ${sink.url}/beat; do sleep 0.05; done; touch /workspace/up; while curl -sS -m 1 ${sink.url}/beat; do sleep 0.02; done; echo cut`;
      const { told, id } = await asking(run, "sandbox_exec", { command: loop });
      await approve(id);
      await untilEvent(run.run, "call.output");
      const start = performance.now();
      const revoked = await clientOf(gateway).approvals.revoke(id, { reason: "Not any more" });
      expect(revoked.revokedAt).not.toBeNull();
      expect(await told).toMatchObject({ ok: true, stdout: expect.stringMatching(/cut\n$/) });
      expect(performance.now() - start).toBeLessThan(1000);
      await endOf(run);
    },
  );

  it(
    "a stop ends the whole run within a second: processes, network and questions",
    again,
    async () => {
      const run = await director.open(gateway, { agent });
      const marker = `stop-${run.id}`;
      const command = `${fetching("held")}; : ${marker}; sleep 600`;
      const { told, id } = await asking(run, "sandbox_exec", { command });
      told.catch(() => undefined);
      await approve(id);
      await untilEvent(run.run, "call.started");
      await untilEvent(run.run, "call.output");
      const start = performance.now();
      await clientOf(gateway).stopRun(run.id, { reason: "It must not go on" });
      const ended = await run.run.wait();
      expect(performance.now() - start).toBeLessThan(1000);
      expect(processesWith(marker)).toEqual([]);
      expect(ended).toMatchObject({
        ...{ status: "terminated", stop_reason: "emergency_stop", message: "It must not go on" },
      });
      const stops = (await historyOf(gateway, run.id)).filter((event) =>
        isEvent(event, "run.stopped"),
      );
      expect(stops.map(({ data }) => data.reason)).toEqual(["It must not go on"]);
    },
  );

  it("a stop of a run that waits cancels what it asks", async () => {
    const run = await director.open(gateway, { agent });
    const { id } = await asking(run, "sandbox_exec", { command: fetching("never") });
    await clientOf(gateway).stopRun(run.id, { reason: "No" });
    expect(await run.run.wait()).toMatchObject({ status: "terminated" });
    const shown: ApprovalDetail = await clientOf(gateway).approvals.get(id);
    expect(shown.status).toBe("cancelled");
    const late = await call(gateway, "POST", `/api/approvals/${id}/approve`, {});
    expect(late.status).toBe(409);
    expect(sink.hits()).not.toContain("/never");
  });
});
