import { StringDecoder } from "node:string_decoder";
import type { OutputCleaner } from "../sandbox/sandbox.ts";

/** A piece of a reply as it may be shown: `offset` counts UTF-16 code units of what was shown before it. */
export interface ShownDelta {
  offset: number;
  text: string;
}

/**
 * The live text of one attempt of a turn, without secrets, also where one lies across pieces. What may be the beginning of
 * a secret is held back until it is known; what is held back at the end comes with `turn.replied`.
 */
export function openDeltaText(cleaner: OutputCleaner): (text: string) => ShownDelta | undefined {
  const decoder = new StringDecoder("utf8");
  let offset = 0;
  let half = "";
  return (text) => {
    const whole = half + text;
    // Half a character has no bytes of its own: it waits for its other half.
    half = /[\ud800-\udbff]$/.exec(whole)?.[0] ?? "";
    const given = Buffer.from(whole.slice(0, whole.length - half.length));
    const shown = decoder.write(Buffer.from(cleaner.push(given)));
    if (shown === "") return undefined;
    const at = offset;
    offset += shown.length;
    return { offset: at, text: shown };
  };
}
