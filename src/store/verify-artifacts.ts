import type { Kysely } from "kysely";
import { artifactIdentity } from "../base/artifact-identity.ts";
import { ArtifactManifest } from "../contract/artifact.ts";
import type { Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";

const pageRows = 100;

/** Holds every artifact against its name, which is the digest of what it is made of. */
export async function verifyArtifacts(
  db: Kysely<Schema>,
  add: (defect: Defect) => void,
): Promise<void> {
  for (let after = { id: "", workspace_id: "" }; ; ) {
    const rows = await db
      .selectFrom("artifacts")
      .select(["workspace_id", "id", "digest", "manifest"])
      .where(({ eb, refTuple, tuple }) =>
        eb(refTuple("id", "workspace_id"), ">", tuple(after.id, after.workspace_id)),
      )
      .orderBy("id")
      .orderBy("workspace_id")
      .limit(pageRows)
      .execute();
    for (const { id, digest, manifest } of rows) {
      if (isOf(manifest, { id, digest })) continue;
      const message = `The artifact ${id} is not what its digest says`;
      add({ kind: "row_mismatch", subject: id, message });
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

function isOf(manifest: string, named: { id: string; digest: string }): boolean {
  let value: unknown;
  try {
    value = JSON.parse(manifest);
  } catch {
    return false;
  }
  const parsed = ArtifactManifest.safeParse(value);
  if (!parsed.success) return false;
  const { id, digest } = artifactIdentity(parsed.data);
  return id === named.id && digest === named.digest;
}
