import { limits } from "../base/limits.ts";

const segmentRule = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const segmentBytesMax = 255;

/**
 * Names that an agent's own folder gives a meaning to. Only the whole name is reserved: `skills/x/SKILL.md` is content
 * like any other, because no agent is read from there.
 */
const reserved = new Set(["SKILL.md", "runtime.lock"]);

/**
 * Says in words why a name cannot be the name of content, or undefined when it can. A name is one or more segments
 * joined by `/`, each of letters, digits, `.`, `_` and `-` and not starting with `.` or `-`: it is a file name in the
 * sandbox, a word in a shell command and an entry of an archive, and must be harmless in all three.
 */
export function contentNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  if (Buffer.byteLength(name) > limits.contentNameBytes) {
    return `must not exceed ${limits.contentNameBytes} bytes`;
  }
  if (name.startsWith("/")) return "must be relative: remove the leading '/'";
  if (reserved.has(name)) return "is reserved: choose another name";
  for (const segment of name.split("/")) {
    const problem = segmentProblem(segment);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function segmentProblem(segment: string): string | undefined {
  if (segment === "") return "must not have an empty segment between slashes";
  if (segment === "." || segment === "..") return `must not contain a '${segment}' segment`;
  if (segment.length > segmentBytesMax) {
    return `must not have a segment longer than ${segmentBytesMax} bytes`;
  }
  if (segmentRule.test(segment)) return undefined;
  const wrong = /[^A-Za-z0-9._-]/u.exec(segment)?.[0];
  return wrong === undefined
    ? `must not have a segment that starts with '${segment[0]}'`
    : `must contain only letters, digits, '.', '_', '-' and '/', not ${JSON.stringify(wrong)}`;
}
