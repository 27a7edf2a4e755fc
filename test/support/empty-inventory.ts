import type { Inventory } from "../../src/artifacts/artifacts.ts";
import { Problem } from "../../src/contract/problem.ts";

const nothing = async (): Promise<never> => {
  throw new Problem("not_found", "There is nothing here");
};

/** What a workspace has that was never given anything. */
export const emptyInventory: Inventory = {
  layers: async () => ({ rows: [] }),
  artifacts: async () => ({ rows: [] }),
  ...{ layer: nothing, sbom: nothing, verifyLayer: nothing, exportLayer: nothing },
  ...{ importLayer: nothing, removeLayer: nothing, artifact: nothing },
  ...{ createArtifact: nothing, exportArtifact: nothing },
  revokeRef: async () => false,
};
