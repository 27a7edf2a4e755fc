import type { LayerTrees, OpenedLayer } from "../layers/layers.ts";

/** Layers that a run has mounted, each held as long as the run is driven. */
export interface HeldLayers {
  open(digest: string): Promise<OpenedLayer>;
}

export function holdLayers(layers: LayerTrees, over: AbortSignal): HeldLayers {
  const held = new Map<string, Promise<OpenedLayer>>();
  over.addEventListener("abort", () => {
    for (const opened of held.values()) {
      opened.then(({ release }) => release()).catch(() => undefined);
    }
  });
  return {
    open(digest) {
      const known = held.get(digest);
      if (known !== undefined) return known;
      const opened = layers.open(digest);
      held.set(digest, opened);
      // One that could not be opened is asked for again.
      opened.catch(() => held.delete(digest));
      return opened;
    },
  };
}
