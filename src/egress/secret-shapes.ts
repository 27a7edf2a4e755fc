import { redacted } from "./redact-stream.ts";

/**
 * What credentials look like. Every expression is bounded and starts at a word of its own, so that no text takes more
 * than linear time, and none of them can match our own ids (`run_…`, `sha256:…`, `art_…`), paths or model names.
 */
const wordStart = "(?<![A-Za-z0-9_-])";
const shapes = [
  `${wordStart}sk-[A-Za-z0-9_-]{16,512}`,
  `${wordStart}airlock_[A-Za-z0-9_-]{16,512}`,
  `${wordStart}(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])`,
  `${wordStart}AIza[A-Za-z0-9_-]{30,64}`,
  `${wordStart}(?:gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255})`,
  `${wordStart}xox[abeprs]-[A-Za-z0-9-]{10,255}`,
  `${wordStart}eyJ[A-Za-z0-9_-]{8,4096}\\.[A-Za-z0-9_-]{8,8192}\\.[A-Za-z0-9_-]{8,1024}`,
].map((shape) => new RegExp(shape, "g"));

/** The scheme stays, because it helps whoever reads the error; a word of prose after it is no credential. */
const authorization =
  /\b(Bearer|Basic)(\s{1,4})((?=[A-Za-z._~+/-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{8,4096}|[A-Za-z0-9._~+/=-]{24,4096})/gi;

/**
 * Redacts what looks like a credential in free text that came from elsewhere, such as an upstream's error that quotes
 * the key it was given. For known secrets use `redactor`: this one only knows shapes.
 */
export function secretShapes(text: string): string {
  const plain = shapes.reduce((rest, shape) => rest.replace(shape, redacted), text);
  return plain.replace(authorization, `$1$2${redacted}`);
}
