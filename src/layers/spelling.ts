/** How a manifest spells names: bytes that are not plain as `\xhh`, so that each line is text and each name has one form. */

/** From one character for each byte. */
export function spelled(latin1: string): string {
  return latin1.replace(/[^\x21-\x7e]|\\/g, (byte) => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** One character for each byte again. */
export function plain(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

export function plainBytes(text: string): Buffer {
  return Buffer.from(plain(text), "latin1");
}
