/** How the world writes a secret down: each listed encoding, made by other means than the ones under test. */

const bytesOf = (secret: string) => [...Buffer.from(secret)];
const hexes = (secret: string) => bytesOf(secret).map((byte) => byte.toString(16).padStart(2, "0"));
const units = (secret: string) => Array.from(secret.split(""), (unit) => unit.charCodeAt(0));
const points = (secret: string) => Array.from(secret, (char) => char.codePointAt(0) ?? 0);

/** Five bits at a time, as one reads it in the standard. */
function base32(secret: string, before: string): string {
  let value = 0n;
  for (const byte of bytesOf(before + secret)) value = (value << 8n) | BigInt(byte);
  let bits = BigInt(bytesOf(before + secret).length * 8);
  let text = "";
  while (bits >= 5n) {
    bits -= 5n;
    text += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number((value >> bits) & 31n)];
  }
  return text;
}

export const writings: Record<string, readonly ((secret: string) => string | Buffer)[]> = {
  raw: [(secret) => secret],
  json: [
    (secret) => JSON.stringify({ key: secret }),
    (secret) => JSON.stringify([secret]).replaceAll("/", "\\/"),
    (secret) =>
      JSON.stringify([secret])
        .split("<")
        .join("\\u003C")
        .split(">")
        .join("\\u003E")
        .split("&")
        .join("\\u0026")
        .replace(/[\x7f-\uffff]/g, (unit) => {
          return `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
        }),
    (secret) =>
      Array.from(JSON.stringify(secret).split(""), (unit) =>
        unit > "~" ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}` : unit,
      ).join(""),
  ],
  quoted: [
    (secret) => `+ curl -H '${secret.split("'").join(`'\\''`)}'`,
    (secret) => `'${secret.split("'").join(`'"'"'`)}'`,
    (secret) =>
      `'${Array.from(secret, (char) => (/['\\]/.test(char) ? `\\${char}` : char)).join("")}'`,
  ],
  "json in json": [(secret) => JSON.stringify(JSON.stringify([secret]))],
  percent: [
    (secret) => `https://h/?q=${encodeURIComponent(secret)}&x=1`,
    (secret) => encodeURI(`https://h/${secret}`),
    (secret) => new URL(`https://h/?q=${secret.replace(/[\t\r\n#]/g, encodeURIComponent)}&x`).href,
    (secret) =>
      bytesOf(secret)
        .map((byte) => {
          const char = String.fromCharCode(byte);
          return /[A-Za-z0-9_.~-]/.test(char) ? char : `%${byte.toString(16).padStart(2, "0")}`;
        })
        .join(""),
  ],
  "percent of every byte": [
    (secret) =>
      hexes(secret)
        .map((hex) => `%${hex}`)
        .join(""),
    (secret) =>
      hexes(secret)
        .map((hex) => `%${hex.toUpperCase()}`)
        .join(""),
  ],
  form: [(secret) => new URLSearchParams({ q: secret }).toString()],
  hex: [(secret) => hexes(secret).join("")],
  "upper-case hex": [(secret) => hexes(secret).join("").toUpperCase()],
  "spaced hex": [
    (secret) => hexes(secret).join(" "),
    (secret) => hexes(secret).join(" ").toUpperCase(),
  ],
  "decimal bytes": [
    (secret) => JSON.stringify(Buffer.from(secret)),
    (secret) => `bytes([${bytesOf(secret).join(", ")}])`,
  ],
  base64: [
    (secret) => Buffer.from(secret).toString("base64"),
    (secret) => Buffer.from(`:${secret}:`).toString("base64"),
    (secret) => Buffer.from(`u:${secret}`).toString("base64"),
    (secret) => Buffer.from(`{"token":"${secret}"}`).toString("base64").replace(/.{10}/g, "$&\r\n"),
  ],
  base64url: ["", "a", "ab"].map(
    (before) => (secret: string) => Buffer.from(`${before}${secret}c`).toString("base64url"),
  ),
  base32: ["", "a", "ab", "abc", "abcd"].flatMap((before) => [
    (secret: string) => base32(secret, before),
    (secret: string) => base32(secret, before).toLowerCase(),
  ]),
  reversed: [(secret) => Array.from(secret).reverse().join("")],
  "html entities": [
    (secret) =>
      secret.replace(/[&<>"']/g, (char) => {
        return char === "'"
          ? "&#x27;"
          : `&${{ "&": "amp", "<": "lt", ">": "gt" }[char] ?? "quot"};`;
      }),
    (secret) => secret.split("&").join("&amp;").split("<").join("&lt;").split(">").join("&gt;"),
  ],
  "numeric entities": [
    (secret) =>
      points(secret)
        .map((point) => `&#${point};`)
        .join(""),
    (secret) =>
      points(secret)
        .map((point) => `&#x${point.toString(16)};`)
        .join(""),
  ],
  "unicode escapes": [
    (secret) =>
      units(secret)
        .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
        .join(""),
  ],
  "hex escapes": [
    (secret) =>
      hexes(secret)
        .map((hex) => `\\x${hex}`)
        .join(""),
  ],
  "quoted-printable": [
    (secret) =>
      bytesOf(secret)
        .map((byte) => {
          const char = String.fromCharCode(byte);
          if (/[\t\r\n -<>-~]/.test(char)) return char;
          return `=${byte.toString(16).padStart(2, "0").toUpperCase()}`;
        })
        .join(""),
  ],
  "utf-16": [
    (secret) => Buffer.from(secret, "utf16le"),
    (secret) => Buffer.from(units(secret).flatMap((unit) => [unit >> 8, unit & 255])),
  ],
};

/**
 * What of one writing must not be seen: every run of this many bytes that is not in the writing of another secret of the
 * same length, which has the same things around it.
 */
export function telling(write: (secret: string) => string | Buffer, secret: string): Buffer[] {
  const length = 12;
  const other = Buffer.from(
    write(secret.replace(/[A-Za-z0-9]/g, (char) => (char === "Q" ? "7" : "Q"))),
  );
  const bytes = Buffer.from(write(secret));
  const all = Array.from({ length: Math.max(0, bytes.length - length + 1) }, (_, at) =>
    bytes.subarray(at, at + length),
  );
  return all.filter((part) => !other.includes(part));
}
