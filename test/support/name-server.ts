/** A DNS server of a test's own, which counts what it is asked. */
import { createSocket } from "node:dgram";
import { isIPv4 } from "node:net";

/** Called for every question; undefined leaves it without an answer, an empty list says that there is none. */
export type Zone = (name: string, question: number) => string[] | undefined;

/** An answer that is neither kind of address is an alias, whose own addresses follow it. Port 0 is any free one. */
export async function openNameServer(
  zone: Zone,
  port = 53,
): Promise<{ asked: string[]; port: number; close(): void }> {
  const asked: string[] = [];
  const questions = new Map<string, number>();
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const { name, type, end } = readQuestion(query);
    asked.push(`${type === 1 ? "A" : type === 28 ? "AAAA" : type} ${name}`);
    const key = `${type} ${name}`;
    questions.set(key, (questions.get(key) ?? 0) + 1);
    const found = zone(name, questions.get(key) ?? 1);
    if (found === undefined) return;
    let owner = name;
    const records = found.flatMap((answer) => {
      if (/^[\d.]+$|:/.test(answer)) {
        const isWanted = isIPv4(answer) ? type === 1 : type === 28;
        return isWanted ? [record(owner, type, addressBytes(answer))] : [];
      }
      const alias = record(owner, 5, nameBytes(answer));
      owner = answer;
      return [alias];
    });
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(found.length === 0 ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(
      Buffer.concat([head, query.subarray(12, end), ...records]),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject).bind(port, "127.0.0.1", resolve);
  });
  return { asked, port: socket.address().port, close: () => socket.close() };
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** With no time to live: a resolver that keeps it is not one that the test has to know of. */
function record(owner: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(owner), fixed, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split(".")
    .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`));
  return Buffer.concat([...labels, Buffer.alloc(1)]);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [front = "", back = ""] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const middle = 8 - groups(front).length - groups(back).length;
  const all = [...groups(front), ...Array<string>(middle).fill("0"), ...groups(back)];
  return Buffer.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}
