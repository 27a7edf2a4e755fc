/**
 * Artifacts: immutable bundles of files, entrypoints and layers. This room says what a bundle is made of and how its
 * entrypoints are run; that it is named by its content is `base/artifact-identity.ts`, and its rows are the store's.
 *
 * P5 The same inputs give the same manifest, in whatever order they were named.
 */

export { type EntrypointStart, entrypointStart } from "./entrypoint.ts";
export { type ArtifactInput, type Merged, mergeInputs } from "./merge-inputs.ts";
export { mountProblem } from "./mount-path.ts";
