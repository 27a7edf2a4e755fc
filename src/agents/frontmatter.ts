import type { AgentProblem } from "../contract/installed-agent.ts";

/** A `SKILL.md` in its two parts. Lines count from 1. */
export interface Frontmatter {
  yaml: string;
  yamlLine: number;
  body: string;
  bodyLine: number;
}

/** More is no manifest; the parser is kept away from it. */
const yamlCharsMax = 256 * 1024;

/** Takes a `SKILL.md` apart. A byte order mark and line ends of other systems are understood. */
export function splitFrontmatter(skill: string): Frontmatter | AgentProblem {
  const lines = skill.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const isFence = (line: string | undefined) => line !== undefined && /^---[ \t]*$/.test(line);
  if (!isFence(lines[0])) {
    const later = lines.findIndex(isFence);
    const remedy =
      later > 0 && lines.slice(0, later).every((line) => line.trim() === "")
        ? "Remove the empty lines above the first ---"
        : "Open the file with a line ---, then the manifest in YAML, then a line --- and the text";
    return at(1, "SKILL.md does not begin with ---", remedy);
  }
  const end = lines.findIndex((line, index) => index > 0 && isFence(line));
  if (end < 0) {
    return at(1, "The frontmatter is not closed", "Close it with a line that is only ---");
  }
  const yaml = lines.slice(1, end).join("\n");
  if (yaml.length > yamlCharsMax) {
    const size = yaml.length.toLocaleString("en");
    return at(
      1,
      `The frontmatter has ${size} characters; the most is ${yamlCharsMax.toLocaleString("en")}`,
      "Move long texts below the frontmatter, or into files beside SKILL.md",
    );
  }
  const control = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/.exec(yaml);
  if (control) {
    const before = yaml.slice(0, control.index);
    const code = control[0].charCodeAt(0).toString(16).padStart(4, "0");
    const line = before.split("\n").length + 1;
    return at(line, `There is a control character (U+${code}) here`, "Remove it");
  }
  const rest = lines.slice(end + 1);
  const nul = rest.findIndex((line) => line.includes("\0"));
  if (nul >= 0) return at(end + 2 + nul, "There is a NUL character in the text", "Remove it");
  const body = rest
    .join("\n")
    .replace(/^\s*\n|^\s+$/, "")
    .trimEnd();
  return { yaml, yamlLine: 2, body, bodyLine: end + 2 };
}

function at(line: number, message: string, remedy: string): AgentProblem {
  return { line, column: 1, path: "", message, remedy };
}
