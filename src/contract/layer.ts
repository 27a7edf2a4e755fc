import { z } from "zod";
import { CallId, Digest, RunId } from "./ids.ts";

/** Names a layer in tools and the API: `layer_` and the first 32 hex digits of its digest. */
export const LayerId = z
  .string()
  .regex(/^layer_[0-9a-f]{32}$/, "expected layer_ and 32 lower-case hex digits")
  .meta({ id: "LayerId" });

/** Names a layer of one's workspace, in either way. */
export const LayerIdOrDigest = z
  .union([LayerId, Digest], "expected layer_ and 32, or sha256: and 64 lower-case hex digits")
  .meta({ id: "LayerIdOrDigest" });

/** What a person calls a layer. */
export const LayerName = z
  .string()
  .min(1)
  .max(128)
  .refine((name) => !/[\0-\x1f\x7f]/.test(name), "must not contain control characters");

/** The id of the layer with this digest. */
export function layerId(digest: Digest): string {
  return `layer_${digest.slice("sha256:".length, "sha256:".length + 32)}`;
}

/** What a tree of installed programs runs on; a part that does not matter to it is left out. */
export const Abi = z
  .strictObject({
    arch: z.string().describe("As Node names it: x64, arm64"),
    libc: z.string().describe("glibc or musl"),
    python: z.string().optional().describe("major.minor"),
    node: z.string().optional().describe("The version of its module interface"),
  })
  .meta({ id: "Abi" });
export type Abi = z.infer<typeof Abi>;

/** One captured layer, as `sandbox_exec` answers it; `artifact_build` takes it as it is. */
export const CapturedLayer = z.strictObject({
  layer_id: LayerId,
  name: z.string(),
  digest: Digest,
  path: z.string().describe("Where it was installed"),
  mount_as: z.string().describe("Where else it is to be found in an artifact"),
  mount_path: z
    .string()
    .describe("Where it is mounted in an artifact: the path it was installed to"),
  file_count: z.int(),
  size_bytes: z.int(),
  cached: z.boolean().describe("An earlier, identical build was used; nothing was installed"),
});
export type CapturedLayer = z.infer<typeof CapturedLayer>;

/** A layer of a workspace. */
export const Layer = z
  .object({
    id: LayerId,
    digest: Digest,
    name: z.string(),
    fileCount: z.int(),
    sizeBytes: z.int(),
    abi: Abi.nullable().describe("null: it runs anywhere"),
    hosts: z.array(z.string()).describe("What its build contacted"),
    createdAt: z.iso.datetime(),
    runId: RunId.nullable().describe("The run that built it; null when it was imported"),
    callId: CallId.nullable(),
  })
  .meta({ id: "Layer" });
export type Layer = z.infer<typeof Layer>;
