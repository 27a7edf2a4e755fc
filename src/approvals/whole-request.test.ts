import { describe, expect, it } from "vitest";
import { openRoom } from "../../test/support/approvals-room.ts";
import { askingRun } from "../../test/support/sample-approvals.ts";
import { digestOf } from "../../test/support/sample-store.ts";
import { Problem } from "../contract/problem.ts";

const command = `echo ${"x".repeat(100_000)}`;
const blob = digestOf(command);
/** As an event keeps a string that is too long for it. */
const kept = { blob, bytes: command.length, head: "echo xxx" };
const subject = {
  ...{ tool: "sandbox_exec", command: kept as unknown as string, artifact_id: null },
  ...{ artifact_digest: null, entrypoint: null, files: [] },
  arguments: { command: kept, nested: { list: [kept, "short"] } },
};

describe("a request that was too long for its event", () => {
  it("is whole for who looks at it, and a string in lists and answers", async () => {
    const { room, store, workspaceId } = await openRoom({ [blob]: Buffer.from(command) });
    const { request } = await askingRun(store, workspaceId, { subject });
    const id = request.request_id;
    const shown = await room.get(workspaceId, id);
    expect(shown.request.subject.command).toBe(command);
    expect(shown.request.subject.arguments).toEqual({
      ...{ command, nested: { list: [command, "short"] } },
    });
    const [row] = (await room.list(workspaceId, { limit: 10 })).approvals;
    expect(row?.request.subject.command).toBe("echo xxx…");
    const denied = await room.deny(workspaceId, id, { answeredBy: "tok_a" });
    expect(denied.request.subject.arguments.nested).toEqual({ list: ["echo xxx…", "short"] });
    const again = await room.deny(workspaceId, id, { answeredBy: "tok_b" }).catch((error) => error);
    expect(again.details.approval.request.subject.command).toBe("echo xxx…");
  });

  it("is told in changes by what it was, not by where it was kept", async () => {
    const { room, store, workspaceId, clock } = await openRoom({ [blob]: Buffer.from(command) });
    const before = await askingRun(store, workspaceId, { subject });
    await room.approve(workspaceId, before.request.request_id, { answeredBy: "tok_a" });
    clock.time += 1000;
    const now = await askingRun(store, workspaceId, {
      ...{
        call: "other",
        subject: { ...subject, command: "echo y", arguments: { command: "echo y" } },
      },
    });
    const { sinceApproved } = await room.get(workspaceId, now.request.request_id);
    const change = sinceApproved?.changes.find(({ what }) => what === "command");
    expect(change?.diff).toContain(`-${command}\n`);
    expect(change?.diff).toContain("+echo y\n");
  });

  it("is not shown in part to who could say yes to it; when it is over its head is enough", async () => {
    const { room, store, workspaceId } = await openRoom();
    const { request } = await askingRun(store, workspaceId, { subject });
    const id = request.request_id;
    const refused = await room.get(workspaceId, id).catch((error) => error);
    expect(refused).toBeInstanceOf(Problem);
    expect(refused).toMatchObject({ code: "digest_mismatch" });
    await room.deny(workspaceId, id, { answeredBy: "tok_a" });
    expect((await room.get(workspaceId, id)).request.subject.command).toBe("echo xxx…");
  });
});
