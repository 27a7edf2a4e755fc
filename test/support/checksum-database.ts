/** A Go checksum database with one record: signed, and with the hash tree that go insists on. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";

export interface ChecksumDatabase {
  /** As GOSUMDB names it, before its address: name and public key. */
  key: string;
  /** The module's lines in a go.sum. */
  sums: string;
  /** What it answers, by path below its address. */
  answers: Map<string, Buffer>;
}

/** `files` are those of the module's zip, with their whole names; `mod` is its go.mod. */
export function makeChecksumDatabase(
  name: string,
  module: string,
  version: string,
  content: { files: Record<string, string>; mod: string },
): ChecksumDatabase {
  const lines = [
    `${module} ${version} ${treeHash(content.files)}\n`,
    `${module} ${version}/go.mod ${treeHash({ "go.mod": content.mod })}\n`,
  ];
  const text = lines.join("");
  // A tree of one leaf is that leaf.
  const leaf = sha256(Buffer.concat([Buffer.from([0]), Buffer.from(text)]));
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const key = Buffer.concat([Buffer.from([1]), raw]);
  const keyHash = sha256(Buffer.concat([Buffer.from(`${name}\n`), key])).subarray(0, 4);
  const head = `go.sum database tree\n1\n${leaf.toString("base64")}\n`;
  const signature = Buffer.concat([keyHash, sign(null, Buffer.from(head), privateKey)]);
  const note = `${head}\n— ${name} ${signature.toString("base64")}\n`;
  return {
    key: `${name}+${keyHash.toString("hex")}+${key.toString("base64")}`,
    sums: text,
    answers: new Map([
      ["/latest", Buffer.from(note)],
      [`/lookup/${module}@${version}`, Buffer.from(`0\n${text}\n${note}`)],
      ["/tile/8/0/000.p/1", leaf],
    ]),
  };
}

function treeHash(files: Record<string, string>): string {
  const lines = Object.keys(files)
    .sort()
    .map((name) => `${sha256(Buffer.from(files[name] ?? "")).toString("hex")}  ${name}\n`);
  return `h1:${sha256(Buffer.from(lines.join(""))).toString("base64")}`;
}

function sha256(data: Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}
