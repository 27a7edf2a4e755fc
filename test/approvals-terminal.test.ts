/** Approvals as people meet them: at the terminal, over HTTP, with a whole gateway behind it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";

/** Nobody has this name, so that a yes reaches nothing. */
const fetching = "curl -sS https://airlock-test.invalid/";
const tail = "; curl -sS https://airlock-test.invalid/tail";
const long = `${"echo ok; ".repeat(9_000)}${tail}`;
const hidden = `echo ok${" ".repeat(10_000)}\u202e${tail}`;

const turns = (args: object) => ({
  turns: [{ calls: [{ tool: "sandbox_exec", arguments: args }] }, { text: "I am done" }],
});

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({
    script: {
      scripts: {
        asks: turns({ command: fetching, intent: "To see\nit will reach no host" }),
        other: turns({ command: `${fetching}other` }),
        long: turns({ command: long }),
        hidden: turns({ command: hidden }),
        offline: turns({ command: fetching, network: "none" }),
        plain: turns({ command: "echo hello" }),
      },
    },
  });
});
afterAll(() => gateway.stop());

const airlock = (argv: string[], how: { tty?: boolean; types?: string[]; token?: string } = {}) =>
  typed(argv, { url: gateway.url, token: gateway.token, ...how });

/** A run that waits for a person, and what it asks. */
async function asking(script: string): Promise<{ run: RunRef; id: string }> {
  const client = clientOf(gateway);
  const run = await client.submitRun({ model: `scripted/${script}`, prompt: "go" });
  await untilEvent(run, "approval.requested");
  return { run, id: await askedBy(run.id) };
}

async function askedBy(runId: string): Promise<string> {
  const events = await historyOf(gateway, runId);
  const asked = events.filter((event) => isEvent(event, "approval.requested")).at(-1);
  return asked?.data.request_id ?? "";
}

describe("a run that asks", () => {
  it("is followed through its question, its answer and its end", async () => {
    const followed = airlock(["run", "--model", "scripted/asks", "--prompt", "go", "--follow"]);
    const client = clientOf(gateway);
    let run: RunRef | undefined;
    while (run === undefined) {
      const [found] = (await client.listRuns()).runs;
      if (found) run = client.run(found.id);
    }
    await untilEvent(run, "approval.requested");
    const id = await askedBy(run.id);
    expect((await airlock(["list"])).out).toContain(`${run.id}  waiting`);
    expect((await airlock(["status", run.id])).err).toContain(`airlock approvals approve ${id}`);
    const listed = await airlock(["approvals", "list", "--status", "pending"]);
    expect(listed.out).toMatch(new RegExp(`^${id} {2}pending .* sandbox_exec: ${fetching}`));
    const rows =
      (await airlock(["approvals", "show", id], { tty: true })).out.split("\n").length - 1;
    const screens = Math.ceil(rows / 28);
    const typing = { tty: true, types: [...Array(screens - 1).fill(""), "yes"] };
    const approved = await airlock(["approvals", "approve", id, "--note", "look"], typing);
    expect(approved.out).toContain(fetching);
    const { code, out } = await followed;
    expect(code).toBe(0);
    expect(out).toContain("? sandbox_exec waits for a person\n");
    expect(out).toContain("  it says    To see\\nit will reach no host\n");
    expect(out).toContain("  to reach   airlock-test.invalid:443\n");
    expect(out).toMatch(new RegExp(`✓ ${id} {2}approved \\(once\\) by tok_\\w+: look\n`));
    expect(out).toContain("airlock-test.invalid:443 was not reached");
    expect(out).toContain("✓ succeeded (end_turn)");
    expect(out).not.toContain("A new worker took the run over");
    const show = await airlock(["approvals", "show", id]);
    expect(show.out).toContain("the call was started");
    expect(show.out).not.toContain("\nit will reach no host");
  });

  it("goes on without what was denied, and nobody is asked the same again", async () => {
    const { run, id } = await asking("other");
    const denied = await airlock(["approvals", "deny", id, "--reason", "use the mirror"]);
    expect([denied.code, denied.out]).toEqual([0, `✗ ${id}  denied\n`]);
    await run.wait();
    const shown = (await airlock(["show", run.id])).out;
    expect(shown).toMatch(new RegExp(`✗ ${id} {2}denied by tok_\\w+: use the mirror`));
    expect(shown).toContain("✓ succeeded (end_turn)");
    const late = await airlock(["approvals", "approve", id, "--yes"]);
    expect(late.code).toBe(1);
    expect(late.err).toContain(`It is denied by tok_`);
    const revoked = await airlock(["approvals", "revoke", id]);
    expect([revoked.code, revoked.err.includes("only what is approved")]).toEqual([1, true]);
  });

  it.each([
    ["of 80 KB", "long", long],
    ["with a tail behind 10,000 blanks", "hidden", hidden],
  ])(
    "shows a command %s whole, and --yes alone is not enough for it (G08)",
    async (_, name, command) => {
      const { run, id } = await asking(name);
      const { approvals } = clientOf(gateway);
      const approval = await approvals.get(id);
      expect(approval.request.subject.command).toBe(command);
      expect(approval.request.subject.arguments).toEqual({ command });
      const [row] = (await approvals.list({ status: "pending" })).approvals.filter(
        (one) => one.id === id,
      );
      expect(typeof row?.request.subject.command).toBe("string");
      const { out } = await airlock(["approvals", "show", id]);
      expect(out).toContain(tail);
      expect((await airlock(["approvals", "approve", id, "--yes"])).code).toBe(2);
      expect((await run.get()).status).toBe("waiting");
      const flags = ["--yes", "--digest", approval.request.binding.digest];
      expect((await airlock(["approvals", "approve", id, ...flags])).code).toBe(0);
      expect(await run.wait()).toMatchObject({ status: "succeeded", message: null });
    },
  );

  it("cannot be answered by a token that may only submit", async () => {
    const { run, id } = await asking("asks");
    const { secret } = await clientOf(gateway).tokens.create({ name: "ci", scopes: ["runs"] });
    const refused = await airlock(["approvals", "approve", id, "--yes"], { token: secret });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('does not have the scope "approve"');
    expect((await airlock(["approvals", "show", id], { token: secret })).code).toBe(0);
    const stopped = await airlock(["stop", run.id, "--reason", "wrong host"], { token: secret });
    expect(stopped.code).toBe(0);
    expect(await run.wait()).toMatchObject({
      ...{ status: "terminated", stop_reason: "emergency_stop" },
    });
    expect((await airlock(["approvals", "show", id])).out).toContain(`${id}  cancelled`);
    const late = await airlock(["approvals", "approve", id, "--yes"]);
    expect([late.code, late.err.includes("It is cancelled")]).toEqual([1, true]);
    expect((await airlock(["show", run.id])).out).toMatch(/✗ stopped by tok_\w+: wrong host/);
  });
});

describe("airlock policy explain", () => {
  it.each([
    ["plain", ["--", "echo hello"], "allow", 0],
    ["asks", ["--", fetching], "ask", 4],
    ["offline", ["--arguments", '{"network":"none"}', "--", fetching], "allow", 0],
  ] as const)("says of %s what the corridor does with it", async (name, question, word, code) => {
    const explained = await airlock(["--json", "policy", "explain", ...question]);
    expect([explained.code, JSON.parse(explained.out).decision]).toEqual([code, word]);
    const model = `scripted/${name}`;
    const run = await clientOf(gateway).submitRun({ model, prompt: "go" });
    await untilEvent(run, "call.decided");
    const decided = (await historyOf(gateway, run.id)).find((one) => isEvent(one, "call.decided"));
    expect(decided?.data).toMatchObject({ decision: word, rule: JSON.parse(explained.out).rule });
    await run.stop({ reason: "It was only a question" });
  });

  it("says what is missing, in words and as a capability", async () => {
    const power = ["--capability", '{"type":"CodeExecution","patterns":["python3 "]}'];
    const { code, out } = await airlock(["policy", "explain", ...power, "--", "ls", "/"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^deny {2}/);
    expect(out).toContain('{"type":"CodeExecution","patterns":["ls "]}');
  });
});
