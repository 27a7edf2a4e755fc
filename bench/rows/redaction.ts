import { randomBytes } from "node:crypto";
import { containsSecret, encodings, type RedactStream, redactor } from "../../src/egress/egress.ts";
import type { Bench, Group } from "../group.ts";
import { interleave, quantile, type Samples, shownQuantiles, timed } from "../measure.ts";
import { atLeast, type Row } from "../row.ts";

const MB = 1_000_000;
const secretCount = 20;
const pieceBytes = 16 * 1024;

/** How fast secrets are cut out of what a command printed, and looked for in what it leaves behind. */
export const redactionRows: Group = {
  name: "redaction",
  async run(bench: Bench): Promise<Row[]> {
    const secrets = Array.from(
      { length: secretCount },
      () => `sk-${randomBytes(24).toString("base64url")}`,
    );
    const bytes = sampleOutput(bench.quick ? MB : 8 * MB, secrets);
    const text = bytes.toString("latin1");
    const { text: redactText, bytes: redactBytes, stream } = redactor(secrets);
    const near = nearMisses(bytes.length, secrets);
    const search = containsSecret(["sk-that-is-in-none-of-it", ...secrets.slice(1)]);
    const clean = sampleOutput(bytes.length, []);
    const samples = await interleave(
      [
        { name: "text", once: () => timed(async () => redactText(text)) },
        { name: "bytes", once: () => timed(async () => redactBytes(bytes)) },
        { name: "stream", once: () => timed(async () => streamed(stream(), bytes)) },
        { name: "near-misses", once: () => timed(async () => streamed(stream(), near)) },
        { name: "search", once: () => timed(async () => search.start().push(clean)) },
      ],
      bench.quick ? 3 : 25,
    );
    const row = (name: string, what: string) => rateRow(samples, name, what, bytes.length);
    return [
      row("text", `${secretCount} secrets in every encoding cut out of text`),
      row("bytes", `${secretCount} secrets in every encoding cut out of bytes`),
      row(
        "stream",
        `${secretCount} secrets in every encoding cut out of a stream of 16 KiB pieces`,
      ),
      row("near-misses", "The same of a text of nothing but secrets whose first byte is wrong"),
      row("search", `${secretCount} secrets in every encoding looked for in an output`),
    ];
  },
};

function rateRow(samples: Samples, name: string, what: string, bytes: number): Row {
  const took = samples.get(name) ?? [];
  const rate = (ms: number) => bytes / MB / (ms / 1000);
  return {
    ...{ name: `redaction.${name}`, what, unit: "MB/s", target: atLeast(100) },
    value: rate(quantile(took, 0.5)),
    spread: [rate(quantile(took, 0.9)), rate(quantile(took, 0.1))],
    detail: shownQuantiles(took),
  };
}

function streamed(stream: RedactStream, bytes: Buffer): void {
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    stream.push(bytes.subarray(from, from + pieceBytes));
  }
  stream.end();
}

/** The worst that a text can do: at the end of each word all looks as if it were a secret, down to its first byte. */
function nearMisses(bytes: number, secrets: readonly string[]): Buffer {
  const words = secrets.flatMap((secret) =>
    encodings.flatMap(({ spell }) => spell(secret).map((spelling) => Buffer.from(spelling))),
  );
  const line = Buffer.concat(
    words.map((word) => Buffer.concat([Buffer.from("~"), word.subarray(1), Buffer.from("\n")])),
  );
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / line.length) }, () => line)).subarray(
    0,
    bytes,
  );
}

/** Lines as a build prints them: words, paths, digests; a secret in one line of a thousand. */
function sampleOutput(bytes: number, secrets: readonly string[]): Buffer {
  const lines: string[] = [];
  let length = 0;
  for (let line = 0; length < bytes; line++) {
    const digest = randomBytes(16).toString("hex");
    const hidden = secrets.length > 0 && line % 1000 === 999 ? secrets[line % secrets.length] : "";
    const text = `[${line}] compiled /workspace/src/part-${line % 97}.ts to ${digest} ${hidden}\n`;
    lines.push(text);
    length += text.length;
  }
  return Buffer.from(lines.join("").slice(0, bytes), "latin1");
}
