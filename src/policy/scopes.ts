/** `*` and `self.*` cover everything of the run's own tree, `prefix*` what starts so, anything else only itself. */
export function scopeCovers(rule: string, subject: string): boolean {
  return rule === "self.*" || prefixCovers(rule, subject);
}

/** `*` covers everything, `prefix*` what starts so, anything else only itself. */
export function prefixCovers(rule: string, subject: string): boolean {
  return rule.endsWith("*") ? subject.startsWith(rule.slice(0, -1)) : rule === subject;
}

/** Whether a rule of `functionCovers` covers any name that begins so. */
export function functionMeets(rule: string, prefix: string): boolean {
  const start = underscored(rule.replace(/\*$/, ""));
  return functionCovers(rule, prefix) || start.startsWith(underscored(prefix));
}

/** A name of a tool or what it starts with; `knowledge.` and `knowledge_` mean the same. */
export function functionCovers(rule: string, name: string): boolean {
  return underscored(name).startsWith(underscored(rule.replace(/\*$/, "")));
}

function underscored(text: string): string {
  return text.replaceAll(".", "_");
}
