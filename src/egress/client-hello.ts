/** What the first bytes of a connection say about the host that TLS is meant for. */
export type Hello =
  | { state: "more" }
  | { state: "not_tls" }
  | { state: "broken" }
  | { state: "whole"; names: string[] };

/** Reads the server names of a TLS ClientHello, which may be spread over records. Never reads past what it was given. */
export function readClientHello(bytes: Buffer): Hello {
  if (bytes.length > 0 && bytes[0] !== 0x16) return { state: "not_tls" };
  const parts: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    if (bytes[at] !== 0x16) return { state: "broken" };
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, end));
    at = end;
  }
  const message = Buffer.concat(parts);
  if (message.length < 4) return { state: "more" };
  if (message[0] !== 1) return { state: "broken" };
  const length = message.readUIntBE(1, 3);
  if (message.length < 4 + length) return { state: "more" };
  try {
    return { state: "whole", names: serverNames(message.subarray(4, 4 + length)) };
  } catch (error) {
    // A length that points outside the message; reading a buffer past its end throws exactly this.
    if (error instanceof RangeError) return { state: "broken" };
    throw error;
  }
}

function serverNames(hello: Buffer): string[] {
  let at = 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const names: string[] = [];
  if (at === hello.length) return names;
  const end = at + 2 + hello.readUInt16BE(at);
  if (end !== hello.length) throw new RangeError("The extensions do not end with the message");
  at += 2;
  while (at < end) {
    const type = hello.readUInt16BE(at);
    const next = at + 4 + hello.readUInt16BE(at + 2);
    if (next > end) throw new RangeError("An extension ends after the message");
    if (type === 0) names.push(...nameList(hello.subarray(at + 4, next)));
    at = next;
  }
  return names;
}

function nameList(list: Buffer): string[] {
  const names: string[] = [];
  if (list.readUInt16BE(0) !== list.length - 2) throw new RangeError("The list has another length");
  for (let at = 2; at < list.length; ) {
    const end = at + 3 + list.readUInt16BE(at + 1);
    if (end > list.length) throw new RangeError("A name ends after its list");
    names.push(list.toString("latin1", at + 3, end));
    at = end;
  }
  return names;
}
