/** One setting of a git configuration; section and key in lower case, as git compares them. */
export interface GitSetting {
  section: string;
  subsection: string | undefined;
  key: string;
  value: string;
}

/** Reads a git configuration file. A line that git would refuse is passed over. */
export function readGitConfig(text: string): GitSetting[] {
  const settings: GitSetting[] = [];
  let section = "";
  let subsection: string | undefined;
  for (let line of text.replace(/\\\r?\n/g, "").split(/\r?\n/)) {
    line = line.trim();
    const head = /^\[([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\]\s*(.*)$/.exec(line);
    if (head) {
      section = (head[1] ?? "").toLowerCase();
      subsection = head[2]?.replace(/\\(.)/g, "$1");
      line = head[3] ?? "";
    }
    const parts = /^([A-Za-z][\w-]*)\s*(?:=\s*(.*))?$/.exec(line);
    if (!parts || section === "") continue;
    const value = parts[2] === undefined ? "true" : unquoted(parts[2]);
    settings.push({ section, subsection, key: (parts[1] ?? "").toLowerCase(), value });
  }
  return settings;
}

/** Quotes keep blanks and comment signs; outside of them a comment ends the value. */
function unquoted(text: string): string {
  const escapes: Record<string, string> = { n: "\n", t: "\t", b: "\b" };
  let value = "";
  let inside = false;
  let solid = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] ?? "";
    if (sign === '"') inside = !inside;
    else if (sign === "\\") {
      at += 1;
      value += escapes[text[at] ?? ""] ?? text[at] ?? "";
    } else if (!inside && (sign === "#" || sign === ";")) break;
    else value += sign;
    if (inside || !/\s/.test(sign)) solid = value.length;
  }
  return value.slice(0, solid);
}
