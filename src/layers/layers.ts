/**
 * Layers: immutable trees of installed things, named by their content. The same tree is the same layer, on any machine.
 * As archives they travel between machines; an archive is read as if an enemy had made it.
 */
export { gzipCompressed, zstdCompressed } from "./compression.ts";
export { type TarOptions, writeTar } from "./tar-write.ts";
