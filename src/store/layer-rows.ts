import type { Layer } from "../contract/layer.ts";
import type { Listed, ListWanted } from "./list-place.ts";

/** A layer that a workspace gets to know. */
export type NewLayer = Omit<Layer, "id"> & { imported: boolean };

/**
 * The layers that a workspace knows. The bytes of equal layers are one tree on disk; whether another workspace has them
 * is nobody's business (I14).
 */
export interface Layers {
  /** By id or digest. */
  get(workspaceId: string, idOrDigest: string): Promise<Layer | undefined>;
  /** Newest first. */
  list(workspaceId: string, wanted: ListWanted): Promise<Listed<Layer>>;
  /** Makes a layer that a person brought known. One that is known already stays as it is. */
  import(workspaceId: string, layer: Omit<NewLayer, "imported">): Promise<Layer>;
  /** Takes an imported layer away, unless an artifact, a run or a cached build needs it. */
  forget(workspaceId: string, digest: string): Promise<"forgotten" | "in_use" | "not_found">;
  /** Drops the rows of layers that nothing holds any more, and of builds that are out of date. */
  dropUnheld(): Promise<number>;
  /** Every digest that any workspace still knows: the trees that a sweep must leave alone. */
  kept(): Promise<Set<string>>;
}
