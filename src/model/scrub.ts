import { redactor, secretShapes } from "../egress/egress.ts";

/** How providers repeat a key that they refuse: with stars in the middle, or inside an address. */
const masked: readonly RegExp[] = [
  /\b(?:sk|pk|rk|xai|gsk|key)-[A-Za-z0-9_*.-]{6,}/g,
  /\bAIza[A-Za-z0-9_*-]{8,}/g,
  /(?<=\bbearer\s+)[^\s"',]+/gi,
  /(?<=[?&](?:key|api[_-]?key|token|access_token)=)[^&\s"']+/gi,
  /(?<=:\/\/)[^/@\s]+(?=@)/g,
  /\b[A-Za-z0-9]{40,}\b/g,
];

/** Longest message for a person, in characters. */
const messageChars = 500;

/**
 * Makes a provider's message fit to be shown and kept: without the given credentials and without what looks like one,
 * on one line, at most 500 characters.
 */
export function scrub(message: string, credentials: readonly string[]): string {
  let text = secretShapes(redactor(credentials).text(message));
  for (const shape of masked) text = text.replace(shape, "[redacted]");
  text = text.replace(/\s+/g, " ").trim();
  return text.length > messageChars ? `${text.slice(0, messageChars - 1)}…` : text;
}
