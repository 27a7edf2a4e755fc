/**
 * Whether a value is nested deeper. Level by level: what walks a value later may be recursive, and must not meet one that is
 * deeper than its stack.
 */
export function isDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 1; level.length > 0; depth++) {
    const next: object[] = [];
    for (const node of level) {
      if (typeof node !== "object" || node === null) continue;
      for (const member of Object.values(node)) {
        if (depth > most) return true;
        if (typeof member === "object" && member !== null) next.push(member);
      }
    }
    level = next;
  }
  return false;
}
