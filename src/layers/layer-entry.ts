/** One entry of a layer, as its manifest lists it. */
export interface LayerEntry {
  path: Buffer;
  type: "file" | "directory" | "symlink";
  executable: boolean;
  size: number;
  /** Hex, of the content or of the target; null for a directory. */
  sha256: string | null;
  target: Buffer | null;
}
