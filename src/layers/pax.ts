/** Extended headers of POSIX tar: records that say what 512 bytes of a header cannot. */

/** Records by keyword; values are bytes. */
export type PaxRecords = Map<string, Buffer>;

/** One block of records, each `<length> <keyword>=<value>\n`, where the length counts itself. */
export function writePax(records: PaxRecords): Buffer {
  return Buffer.concat([...records].map(([keyword, value]) => writeRecord(keyword, value)));
}

function writeRecord(keyword: string, value: Buffer): Buffer {
  const rest = Buffer.byteLength(keyword) + value.length + " =\n".length;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${keyword}=`), value, Buffer.from("\n")]);
}

/**
 * Reads what `writePax` and other writers make. A string says why the bytes are refused: a length
 * that is not exact, a keyword twice, or one that would change what the entry is.
 */
export function readPax(bytes: Buffer): PaxRecords | string {
  const records: PaxRecords = new Map();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 7 ? "" : bytes.toString("latin1", at, space);
    if (!/^[1-9][0-9]*$/.test(digits)) return "a record without a decimal length";
    const end = at + Number(digits);
    if (end > bytes.length || end <= space || bytes[end - 1] !== 0x0a) {
      return "a record whose length is wrong";
    }
    const equals = bytes.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) return "a record without =";
    const keyword = bytes.toString("latin1", space + 1, equals);
    if (!obeyed.has(keyword) && !unheeded.has(keyword)) {
      return `the keyword ${JSON.stringify(keyword.slice(0, 64))}`;
    }
    if (records.has(keyword)) return `the keyword "${keyword}" twice`;
    records.set(keyword, bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

const obeyed = new Set(["path", "linkpath", "size", "hdrcharset"]);
/** What a layer has none of: times and owners, which other programs like to write down. */
const unheeded = new Set(["mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"]);
