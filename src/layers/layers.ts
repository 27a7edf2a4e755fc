/**
 * Layers: immutable trees of installed things, named by their content. The same tree is the same layer, on any machine.
 * As archives they travel between machines; an archive is read as if an enemy had made it.
 */
export { type ImageLayer, type ImageLayerOptions, writeImageLayer } from "./image-layer.ts";
export { type ImportOptions, importLayer } from "./import.ts";
export { type Sbom, type SbomComponent, sbomOf } from "./sbom.ts";
export { packed } from "./unpack.ts";
