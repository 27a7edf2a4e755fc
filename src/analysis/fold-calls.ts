import { gunzipSync, inflateSync } from "node:zlib";
import { fillFormat, fillPercent } from "./fold-format.ts";
import { exactText, joined, most, unknown, type Value } from "./value.ts";

type Fold = (args: readonly Value[]) => Value | undefined;

const text = (value: string): Value =>
  value.length > most.text ? unknown : { is: "text", text: value };

/** A function of one text that is known to its last character. */
const ofText =
  (fold: (source: string) => string): Fold =>
  ([first]) => {
    const source = exactText(first);
    return source === undefined ? unknown : text(fold(source));
  };

/** Bytes are kept as one character each, and read as text only when they are ASCII anyway. */
const decoded = (encoding: "base64" | "hex" | "base64url"): Fold =>
  ofText((source) => Buffer.from(source, encoding).toString("latin1"));

const unpacked =
  (unpack: typeof inflateSync): Fold =>
  ([first]) => {
    const source = exactText(first);
    if (source === undefined) return unknown;
    try {
      return text(
        unpack(Buffer.from(source, "latin1"), { maxOutputLength: most.text }).toString("latin1"),
      );
    } catch (error) {
      // What is not packed, or is a bomb, has no value that could be known.
      if (error instanceof Error) return unknown;
      throw error;
    }
  };

const characters: Fold = (args) => {
  const [first] = args;
  const codes = first?.is === "list" ? first.items.map(([item]) => item) : args;
  let found = "";
  for (const code of codes) {
    if (code?.is !== "number" || !(code.number >= 0 && code.number <= 0x10ffff)) return unknown;
    found += String.fromCodePoint(Math.trunc(code.number));
  }
  return text(found);
};

const sameText: Fold = ([first]) => (first?.is === "text" ? first : undefined);

const bytes: Fold = (args) => (args[0]?.is === "list" ? characters(args) : sameText(args));

const listed: Fold = ([first]) =>
  first?.is === "list" || first?.is === "text" ? first : undefined;

const mapped: Fold = ([first, second]) => {
  const path = first?.is === "path" ? first.path : undefined;
  if (path === undefined || second?.is !== "list") return undefined;
  return {
    is: "list",
    items: second.items.map(([item = unknown]) => foldCall(path, [item]) ?? [unknown]),
  };
};

const reversed: Fold = ([first]) => {
  if (first?.is === "text") return text([...first.text].reverse().join(""));
  return first?.is === "list" ? { is: "list", items: [...first.items].reverse() } : undefined;
};

const bufferFrom: Fold = (args) => {
  const encoding = exactText(args[1]);
  if (args[0]?.is === "list") return characters(args);
  if (encoding === "base64" || encoding === "hex" || encoding === "base64url") {
    return decoded(encoding)(args);
  }
  return sameText(args);
};

const codecs: Fold = ([first, second]) => {
  const [source, codec] = [exactText(first), exactText(second)?.replace("_", "")];
  if (source === undefined || codec === undefined) return unknown;
  if (/^rot-?13$/.test(codec)) return text(rotated(source));
  if (codec.startsWith("base64")) return decoded("base64")([{ is: "text", text: source }]);
  return codec.startsWith("hex") ? decoded("hex")([{ is: "text", text: source }]) : text(source);
};

function rotated(source: string): string {
  return source.replace(/[a-z]/gi, (letter) => {
    const base = letter <= "Z" ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
  });
}

function unquoted(source: string): string {
  return source.replace(/%([\da-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

const joinedPath: Fold = (args) =>
  joined(args.flatMap((arg, position): Value[] => (position === 0 ? [arg] : [text("/"), arg])));

/** `new URL("/x", "https://e.org")` */
const resolved: Fold = ([first, second]) => {
  const [path, base] = [exactText(first), exactText(second)];
  // The address of the file itself.
  if (first?.is === "path" && second === undefined) return first;
  if (path === undefined || base === undefined || !URL.canParse(path, base))
    return sameText([first ?? unknown]);
  return text(new URL(path, base).href);
};

const sprintf: Fold = ([first, ...rest]) => {
  const format = first?.is === "text" ? first.text : undefined;
  return format === undefined ? unknown : text(fillPercent(format, rest));
};

/** Functions without an effect, by the path under which a language knows them. */
const folds: Readonly<Record<string, Fold>> = {
  chr: characters,
  str: sameText,
  bytes,
  bytearray: bytes,
  list: listed,
  tuple: listed,
  reversed,
  map: mapped,
  "bytes.fromhex": decoded("hex"),
  "bytearray.fromhex": decoded("hex"),
  "base64.b64decode": decoded("base64"),
  "base64.standard_b64decode": decoded("base64"),
  "base64.decodebytes": decoded("base64"),
  "base64.urlsafe_b64decode": decoded("base64url"),
  "base64.b16decode": decoded("hex"),
  "binascii.a2b_base64": decoded("base64"),
  "binascii.unhexlify": decoded("hex"),
  "binascii.a2b_hex": decoded("hex"),
  "codecs.decode": codecs,
  "zlib.decompress": unpacked(inflateSync),
  "gzip.decompress": unpacked(gunzipSync),
  "urllib.parse.unquote": ofText(unquoted),
  "os.path.join": joinedPath,
  "os.path.expanduser": sameText,
  "textwrap.dedent": sameText,
  "shlex.quote": sameText,
  "shlex.split": ([first]) => {
    const source = exactText(first);
    if (source === undefined || /["'\\#]/.test(source)) return unknown;
    const parts = source.trim().split(/\s+/);
    return { is: "list", items: parts.map((part) => [text(part)]) };
  },
  // Every command starts in one directory, and a path that begins with it is one of its own files.
  "process.cwd": () => text("/tmp"),
  "os.getcwd": () => text("/tmp"),
  String: sameText,
  "String.raw": sameText,
  "String.fromCharCode": characters,
  "String.fromCodePoint": characters,
  atob: decoded("base64"),
  decodeURIComponent: ofText(unquoted),
  decodeURI: ofText(unquoted),
  unescape: ofText(unquoted),
  "Buffer.from": bufferFrom,
  "zlib.inflateSync": unpacked(inflateSync),
  "zlib.gunzipSync": unpacked(gunzipSync),
  "path.join": joinedPath,
  "path.resolve": joinedPath,
  URL: resolved,
  string: bytes,
  "fmt.Sprintf": sprintf,
  "fmt.Sprint": (args) => joined(args),
  append: ([first, ...rest]) =>
    joined([first ?? unknown, { is: "list", items: rest.map((each) => [each]) }]),
  "strings.Join": ([first, second]) => {
    const by = exactText(second);
    if (first?.is !== "list" || by === undefined) return unknown;
    const parts = first.items.flatMap(([item = unknown], at) =>
      at === 0 ? [item] : [text(by), item],
    );
    return joined([...parts, text("")]);
  },
  "strings.ToLower": ofText((source) => source.toLowerCase()),
  "strings.TrimSpace": sameText,
  "strings.ReplaceAll": ([first, second, third]) => {
    const [source, from, to] = [exactText(first), exactText(second), exactText(third)];
    if (source === undefined || from === undefined || to === undefined) return unknown;
    return text(source.replaceAll(from, () => to));
  },
  "path/filepath.Join": joinedPath,
  "String::from": sameText,
  Some: ([first]) => first,
  Ok: ([first]) => first,
  "concat!": (args) => joined(args),
  "url.parse": sameText,
  "net/url.Parse": sameText,
};

/**
 * What a function without an effect gives for these arguments; undefined when it is not known here. A format may name
 * its values: `named` says what they are.
 */
export function foldCall(
  path: string,
  args: readonly Value[],
  named?: (name: string) => Value,
): Value[] | undefined {
  if (path === "format!") {
    const [first, ...rest] = args;
    return first?.is === "text" ? [text(fillFormat(first.text, rest, named))] : [unknown];
  }
  const fold = Object.hasOwn(folds, path) ? folds[path] : undefined;
  const value = fold?.(args);
  return value === undefined ? undefined : [value];
}
