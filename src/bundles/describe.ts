import { parseDocument } from "yaml";
import { cutText } from "../base/whole-text.ts";

/** How much of a `SKILL.md` is looked at: its frontmatter is at the top, and short. */
export const headBytes = 16 * 1024;
const descriptionChars = 1024;

/**
 * What a skill says of itself: `description` of the frontmatter of its `SKILL.md`, of which `head` is the beginning. Null
 * when there is none, or none that can be read: skills come from everywhere, and are not ours to correct.
 */
export function descriptionOf(head: string): string | null {
  const text = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(head)?.[1];
  if (text === undefined) return null;
  const description = readDescription(text);
  if (typeof description !== "string" || description.trim() === "") return null;
  return cutText(description.trim().toWellFormed(), descriptionChars);
}

/** Only the one value is made: an alias elsewhere in it, however large it would grow, stays an alias. */
function readDescription(yaml: string): unknown {
  try {
    const document = parseDocument(yaml, { logLevel: "silent" });
    return document.errors.length > 0 ? undefined : document.get("description");
  } catch {
    // Nothing that a stranger writes there may keep his skill from being kept.
    return undefined;
  }
}
