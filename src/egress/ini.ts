/** One setting of an INI file. */
export interface IniSetting {
  section: string;
  key: string;
  /** Values that go over several lines are joined by line breaks. */
  value: string;
}

/**
 * Reads what pip and npm call a configuration: sections, `key = value`, comments on lines of their own, and a value that
 * goes on in lines that start with a blank (`continued`, pip's way). A line that is none of these is passed over, as
 * both clients do or refuse to start for.
 */
export function readIni(text: string, options: { continued: boolean }): IniSetting[] {
  const settings: IniSetting[] = [];
  let section = "";
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    const bare = line.trim();
    if (bare === "" || /^[#;]/.test(bare)) continue;
    const last = settings.at(-1);
    if (options.continued && /^\s/.test(line) && last !== undefined && last.section === section) {
      last.value = last.value === "" ? bare : `${last.value}\n${bare}`;
      continue;
    }
    const head = /^\[([^\]]*)\]$/.exec(bare);
    if (head) {
      section = (head[1] ?? "").trim();
      continue;
    }
    const parts = (options.continued ? /^([^=:]+?)\s*[=:]\s*(.*)$/ : /^([^=]+?)\s*=\s*(.*)$/).exec(
      bare,
    );
    if (parts) settings.push({ section, key: parts[1] ?? "", value: parts[2] ?? "" });
    else if (!options.continued) settings.push({ section, key: bare, value: "true" });
  }
  return settings;
}
