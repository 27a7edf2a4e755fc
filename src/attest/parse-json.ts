const [quote, backslash, comma, list, object] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/** What a whole submission weighs at the most: its prompt, or the JSON in place of it, may have 4 MiB. */
export const submissionWeightMax = 3_000_000;
/** Of what a gateway itself writes in rows: 20,000 members of an archive are half of it. */
export const rowsWeightMax = 1_000_000;
/** To make one, and to say of each of its members why it is wrong, takes that much more than a number. */
const objectWeight = 4;

/**
 * What JSON costs whoever reads it, in values. Three bytes of it can take a kilobyte in memory once all that is wrong with them
 * is listed, and a zip of 10 KB unpacks to millions of them, so that is known before it is read (I9).
 */
export function weightOf(bytes: Buffer): number {
  let weight = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfText(bytes, at);
    else if (byte === object) weight += objectWeight;
    else if (byte === comma || byte === list) weight += 1;
  }
  return weight;
}

/** JSON of an archive. Throws an error that says what it is in place of that, after the name of the text. */
export function parseJson(bytes: Buffer, weightMax: number): unknown {
  if (weightOf(bytes) > weightMax) throw new Error("has more values than a gateway writes");
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Error("is no JSON");
  }
}

/** Where the text ends that begins at a quote. */
function endOfText(bytes: Buffer, begin: number): number {
  for (let at = begin + 1; at < bytes.length; at++) {
    if (bytes[at] === backslash) at += 1;
    else if (bytes[at] === quote) return at;
  }
  return bytes.length;
}
