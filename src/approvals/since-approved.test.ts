import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { noon, sampleRequest } from "../../test/support/sample-approvals.ts";
import { digestOf } from "../../test/support/sample-store.ts";
import { limits } from "../base/limits.ts";
import { type Approval, type ApprovalRequest, bindingParts } from "../contract/approval.ts";
import { newId } from "../contract/ids.ts";
import { sinceApproved } from "./since-approved.ts";

const contents: Record<string, Uint8Array | string> = {
  one: "import os\nprint(1)\n",
  two: "import os\nprint(2)\n",
  binary: new Uint8Array([0xff, 0xfe, 0, 1]),
  nul: "text\0more",
  large: "x\n".repeat(limits.approvalDiffBytes),
};

async function read(sha256: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const name = Object.keys(contents).find((key) => digestOf(key) === sha256);
  const bytes = Buffer.from(contents[name ?? ""] ?? "");
  return name === undefined || bytes.length > maxBytes ? undefined : bytes;
}

type Over = Partial<ApprovalRequest["subject"]> & {
  hosts?: string[];
  parts?: Record<string, string>;
  contents?: Record<string, string>;
};

function approvalWith({ hosts = [], parts = {}, contents = {}, ...subject }: Over): Approval {
  const request = sampleRequest();
  const files = Object.entries(contents).map(([name, key]) => ({ name, sha256: digestOf(key) }));
  return {
    ...{ id: request.request_id, runId: newId("run"), rootRunId: newId("run") },
    ...{ status: "approved" as const, answer: null, identical: 1, spentAt: null },
    requestedAt: new Date(noon).toISOString(),
    answeredAt: new Date(noon + 1_000).toISOString(),
    revokedAt: null,
    request: {
      ...{ ...request, hosts, binding: { digest: digestOf("all"), parts } },
      subject: { ...request.subject, files, ...subject },
    },
  };
}

async function changes(before: Over, after: Over) {
  const found = await sinceApproved(approvalWith(before), approvalWith(after), read);
  return found.changes;
}

describe("what changed since an agent was last approved", () => {
  it("is nothing when nothing did, with the approval and its time", async () => {
    const last = approvalWith({});
    expect(await sinceApproved(last, approvalWith({}), read)).toEqual({
      ...{ approvalId: last.id, approvedAt: last.answeredAt, changes: [] },
    });
  });

  it("is shown line by line for the command, the arguments, the entrypoint and the hosts", async () => {
    const found = await changes(
      { command: "ls\npwd", arguments: { a: 1 }, entrypoint: "a.py", hosts: ["b:443", "a:443"] },
      { command: "ls\nid", arguments: { a: 2 }, entrypoint: "b.py", hosts: ["a:443", "c:443"] },
    );
    expect(found.map(({ what }) => what)).toEqual([
      ...["command", "arguments", "entrypoint", "hosts"],
    ]);
    const [command, args, entrypoint, hosts] = found.map(({ diff }) => diff);
    expect(command).toContain("\n ls\n-pwd\n");
    expect(command).toContain("\n+id\n");
    expect(args).toContain('-  "a": 1\n+  "a": 2\n');
    expect(entrypoint).toContain("-a.py\n");
    expect(hosts).toContain("\n a:443\n-b:443\n+c:443\n");
  });

  it("does not show the command a second time among the arguments", async () => {
    const found = await changes(
      { command: "ls", arguments: { command: "ls", x: 1 } },
      { command: "id", arguments: { command: "id", x: 1 } },
    );
    expect(found.map(({ what }) => what)).toEqual(["command"]);
  });

  it("is shown for each file: changed, new and gone, in order of name", async () => {
    const found = await changes(
      { contents: { "b.py": "one", "same.py": "one", "gone.py": "one" } },
      { contents: { "b.py": "two", "same.py": "one", "a.py": "two" } },
    );
    expect(found.map(({ what }) => what)).toEqual(["file a.py", "file b.py", "file gone.py"]);
    const [added, changed, gone] = found.map(({ diff }) => diff);
    expect(added).toContain("+import os\n+print(2)\n");
    expect(changed).toContain(" import os\n-print(1)\n+print(2)\n");
    expect(gone).toContain("-import os\n-print(1)\n");
  });

  it.each(["binary", "nul", "large", "lost"])(
    "is told without a diff where the content is %s, before or after",
    async (key) => {
      const nothing = [{ what: "file a", diff: "" }];
      expect(await changes({ contents: { a: "one" } }, { contents: { a: key } })).toEqual(nothing);
      expect(await changes({ contents: { a: key } }, { contents: { a: "one" } })).toEqual(nothing);
      expect(await changes({}, { contents: { a: key } })).toEqual(nothing);
    },
  );

  it("is told for so many files only, and the others are counted", async () => {
    const many = Array.from({ length: limits.approvalDiffFiles + 7 }, (_, n) => [
      ...[`${n}`.padStart(3, "0"), "one"],
    ]);
    const found = await changes({}, { contents: Object.fromEntries(many) });
    expect(found).toHaveLength(limits.approvalDiffFiles + 1);
    expect(found.at(-1)).toEqual({ what: "7 files more", diff: "" });
  });

  it("is told without a diff for a command too large to compare, and soon for two unlike ones", async () => {
    const huge = "x\n".repeat(limits.approvalDiffBytes);
    expect(await changes({ command: "ls" }, { command: huge })).toEqual([
      { what: "command", diff: "" },
    ]);
    const lines = (seed: number) =>
      Array.from({ length: 20_000 }, (_, n) => `${(n * seed) % 9_973}`).join("\n");
    const tookMs = await cpuMs(async () => {
      const [change] = await changes({ command: lines(7) }, { command: lines(4_001) });
      expect(change?.what).toBe("command");
    });
    expect(tookMs).toBeLessThan(3_000);
  });

  it("names every part that nothing else has shown, by its name", async () => {
    const parts = (word: string) =>
      Object.fromEntries(bindingParts.map((part) => [part, `${part} ${word}`]));
    const found = await changes({ parts: parts("a") }, { parts: parts("b") });
    const shown = ["arguments", "entrypoint", "hosts"];
    const rest = bindingParts.filter((part) => !shown.includes(part));
    expect(found).toEqual(rest.map((what) => ({ what, diff: "" })));
  });
});
