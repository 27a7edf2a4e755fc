/** Everything about bundles that a program may import. */
export type {
  AgentsMdRecord,
  BundleFile,
  BundleProblem,
  FileRecord,
  SkillRecord,
} from "../contract/bundle.ts";
export type { AgentsMdRef, FileRef, SkillRef } from "../contract/bundle-ref.ts";
export { AgentsMd } from "./agents-md.ts";
export type { BundleContent, BundleFiles } from "./bundle.ts";
export type {
  AgentsMdCalls,
  BundleCalls,
  FileCalls,
  PackedBundle,
  SkillCalls,
} from "./bundle-calls.ts";
export { SkillBundleValidationError } from "./bundle-error.ts";
export type { BundleUploads, UploadsOf } from "./bundle-state.ts";
export { File } from "./file-bundle.ts";
export { Skill } from "./skill.ts";
