/** The kinds of packages that are looked for, as package URLs call them. */
export type Ecosystem = "pypi" | "npm" | "golang" | "cargo";

/**
 * The package URL of a package: `pkg:npm/%40scope/name@1.0.0`. Names are spelled as the specification of each type wants
 * them, so that a list of advisories knows them.
 */
export function purl(ecosystem: Ecosystem, name: string, version: string): string {
  const spelled = ecosystem === "cargo" ? name : name.toLowerCase();
  const parts = (ecosystem === "pypi" ? spelled.replaceAll("_", "-") : spelled).split("/");
  return `pkg:${ecosystem}/${parts.map(encoded).join("/")}@${encoded(version)}`;
}

/** What `encodeURIComponent` leaves alone beyond letters, digits and `-._~` is encoded too. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
