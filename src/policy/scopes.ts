/** `*` and `self.*` cover everything of the run's own tree, `prefix*` what starts so, anything else only itself. */
export function scopeCovers(rule: string, subject: string): boolean {
  return rule === "self.*" || prefixCovers(rule, subject);
}

/** `*` covers everything, `prefix*` what starts so, anything else only itself. */
export function prefixCovers(rule: string, subject: string): boolean {
  return rule.endsWith("*") ? subject.startsWith(rule.slice(0, -1)) : rule === subject;
}

/** A name of a tool or what it starts with; `knowledge.` and `knowledge_` mean the same. */
export function functionCovers(rule: string, name: string): boolean {
  const underscored = (text: string) => text.replaceAll(".", "_");
  return underscored(name).startsWith(underscored(rule.replace(/\*$/, "")));
}
