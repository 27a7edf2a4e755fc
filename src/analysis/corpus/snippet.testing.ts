/** One piece of code or one command, with what the analysis must say of it. */
export interface Snippet {
  name: string;
  language: "python" | "javascript" | "typescript" | "go" | "rust" | "shell";
  /**
   * `network`: reaches out in plain sight. `opaque`: hides what it does. Both are caught by any finding. `clean`: any
   * finding is a false alarm. `undetected`: reaches out, and no reading of this file alone can see it.
   */
  label: "network" | "opaque" | "clean" | "undetected";
  evasive: boolean;
  code: string;
  /** Why nobody can see it, for what is `undetected`. */
  why?: string;
}

type Row = readonly [name: string, label: Snippet["label"], code: string, why?: string];

export function snippets(
  language: Snippet["language"],
  evasive: boolean,
  rows: readonly Row[],
): Snippet[] {
  return rows.map(([name, label, code, why]) => ({
    name,
    language,
    label,
    evasive,
    code,
    ...(why === undefined ? {} : { why }),
  }));
}
