const plain: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "\n": "",
};

const escapes =
  /\\(?:x([\da-fA-F]{2})|u\{([\da-fA-F_]{1,8})\}|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g;

/**
 * The text that a literal stands for. The escapes of Python, JavaScript, Go and Rust agree wherever two of them have
 * the same one.
 */
export function unescapeText(source: string): string {
  if (!source.includes("\\")) return source;
  return source.replace(escapes, (_, x, braced, u, wide, octal, single: string | undefined) => {
    const hex: string | undefined = x ?? braced?.replaceAll("_", "") ?? u ?? wide;
    if (hex !== undefined) return codePoint(Number.parseInt(hex, 16));
    if (octal !== undefined) return codePoint(Number.parseInt(octal, 8));
    return plain[single ?? ""] ?? single ?? "";
  });
}

function codePoint(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
}
