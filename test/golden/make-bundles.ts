import { bundleManifest } from "../../src/contract/bundle.ts";
import { newId } from "../../src/contract/ids.ts";
import type { GoldenRoom } from "./make-tree.ts";

/** What came with schema version 10: a skill that is there, one that was deleted, and what runs pin of them. */
export async function makeBundles({ store, workspaceId, tokenId, ...room }: GoldenRoom) {
  const { digest, now, submit, work, begun } = room;
  const { bundles } = store;
  async function keep(text: string) {
    const file = { path: "SKILL.md", mode: 0o644, size: text.length, sha256: digest(text) } as const;
    const contentHash = digest(bundleManifest([file]));
    await bundles.keep(workspaceId, contentHash, [contentHash, file.sha256]);
    return { contentHash, sizeBytes: text.length, fileCount: 1 };
  }
  async function upload(name: string, text: string) {
    const kept = await keep(text);
    const id = newId("skill", now());
    const own = { id, kind: "skill", name, description: "Counts", createdBy: tokenId } as const;
    await bundles.add(workspaceId, { ...own, ...kept });
    return { id, name, ...kept, description: "Counts" };
  }
  const live = await upload("count", "# Count");
  const dropped = await upload("spell", "# Spell");
  const came = { name: "draw", ...(await keep("# Draw")), description: null };
  const model = "openai/gpt-5";
  const skilled = await submit("skilled", {
    ...{ model, prompt: ["Count the words"], skills: [live, dropped, came] },
  });
  await bundles.delete(workspaceId, "skill", dropped.id);
  await work(skilled, [
    ...begun,
    {
      type: "run.finished",
      data: { status: "succeeded", stop_reason: "end_turn", cleanup_status: "succeeded" },
    },
  ]);
  const other = { name: "paint", ...(await keep("# Paint")), description: null };
  const packed = await submit("packed", { model, prompt: ["Paint"], skills: [other] });
  return {
    runs: { skilled, packed },
    bundles: {
      ...{ live: live.id, deleted: dropped.id },
      held: [live, dropped, other].map(({ contentHash }) => contentHash),
      gone: came.contentHash,
    },
  };
}
