/** An archive is signed by its gateway, and whatever is changed in it afterwards is found and named, without a gateway. */
import { createHash, createPublicKey, verify } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ArchiveReport, readPinnedKey, verifyArchive } from "../src/attest/attest.ts";
import { clientOf } from "./support/airlock-api.ts";
import { forge, type Members, rebuild, statementIn } from "./support/forge-archive.ts";
import { readZip } from "./support/read-zip.ts";
import { untilEvent } from "./support/results-of.ts";
import { isSoak } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const exec = (command: string) => ({ tool: "sandbox_exec", arguments: { command } });
const script = {
  scripts: {
    works: {
      turns: [
        {
          calls: [
            exec("mkdir -p /workspace/out; cd /workspace/out; echo one > a.txt; echo two > b.txt"),
          ],
        },
        { calls: [exec("cd /workspace/out; seq 20 > c.txt")] },
        { text: "done" },
      ],
    },
    hangs: {
      turns: [
        { calls: [exec("mkdir -p /workspace/out; echo one > /workspace/out/a.txt")] },
        { calls: [exec("echo up; sleep 600")] },
        { text: "went on" },
      ],
    },
  },
};
const canary = "sk-ant-api03-Zx9Kq2Lp7Vn4Rt6Wy8Ub3Mc5Ad1Ef0Gh2Ij4Kl6";

let gateway: StartedGateway;
let archive: Buffer;
let members: Members;
const dir = newDataDir();
const dataDir = newDataDir();

const submit = (name: keyof typeof script.scripts) =>
  clientOf(gateway).submitRun({
    model: `scripted/${name}`,
    prompt: "go",
    outputDirs: ["/workspace/out"],
    secrets: { anthropic: { apiKey: canary }, env: { TOKEN: `${canary}-2` } },
  });

async function check(bytes: Uint8Array, key?: string): Promise<ArchiveReport> {
  const path = join(dir, "checked.zip");
  writeFileSync(path, bytes);
  return await verifyArchive(path, key === undefined ? {} : { key: await readPinnedKey(key) });
}

const said = ({ faults }: ArchiveReport) => faults.map(({ message }) => message).join("\n");
const copyOf = (list: Members): Members => list.map(([name, bytes]) => [name, Buffer.from(bytes)]);
const change = (name: string, edit: (text: string) => string): Members =>
  copyOf(members).map(([own, bytes]) => [
    own,
    own === name ? Buffer.from(edit(bytes.toString())) : bytes,
  ]);
const lines = (edit: (list: string[]) => string[]) =>
  change("events.jsonl", (text) => `${edit(text.trimEnd().split("\n")).join("\n")}\n`);

beforeAll(async () => {
  gateway = await startGateway({ script, dataDir });
  const run = await submit("works");
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  archive = Buffer.from(await run.download());
  members = [...(await readZip(archive))];
});
afterAll(async () => {
  await gateway.stop();
  for (const made of [dir, dataDir]) rmSync(made, { recursive: true, force: true });
});

describe("the archive of a run", () => {
  it("is good, and says what it is an archive of", async () => {
    const { id } = await clientOf(gateway).attestationKey();
    const report = await check(archive, id);
    expect(report.faults).toEqual([]);
    expect(report).toMatchObject({
      ...{ ok: true, partial: false, outputs: 3, missing: 0, members: 8 },
      run: { status: "succeeded", stop_reason: "end_turn" },
      key: { id, pinned: true },
    });
    expect(members.map(([name]) => name)).toEqual([
      ...["run.json", "events.jsonl", "outputs/a.txt", "outputs/b.txt", "outputs/c.txt"],
      ...["custody.json", "manifest.json", "attestation.json"],
    ]);
  });

  it("is an envelope that any DSSE tool opens with the public key of the gateway", async () => {
    const key = await clientOf(gateway).attestationKey();
    const publicKey = createPublicKey(key.publicKey);
    const der = publicKey.export({ type: "spki", format: "der" });
    expect(key.id).toBe(`sha256:${createHash("sha256").update(der).digest("hex")}`);
    const envelope = JSON.parse(new Map(members).get("attestation.json")?.toString() ?? "");
    const payload = Buffer.from(envelope.payload, "base64");
    const signed = `DSSEv1 ${envelope.payloadType.length} ${envelope.payloadType} ${payload.length} `;
    const [{ sig, keyid }] = envelope.signatures;
    const bytes = Buffer.concat([Buffer.from(signed), payload]);
    expect(envelope.payloadType).toBe("application/vnd.in-toto+json");
    expect(keyid).toBe(key.id);
    expect(verify(null, bytes, publicKey, Buffer.from(sig, "base64"))).toBe(true);
    const statement = statementIn(members);
    expect(statement._type).toBe("https://in-toto.io/Statement/v1");
    const digests = members.slice(0, -1).map(([name, content]) => {
      return { name, digest: { sha256: createHash("sha256").update(content).digest("hex") } };
    });
    expect(statement.subject).toEqual(digests);
  });

  it("says of its secrets what became of them, and holds none", () => {
    expect(archive.includes(canary)).toBe(false);
    for (const [, bytes] of members) expect(bytes.includes(canary)).toBe(false);
    const custody = JSON.parse(new Map(members).get("custody.json")?.toString() ?? "");
    expect(custody.secrets).toEqual(
      expect.arrayContaining([
        { class: "provider_api_key", name: "anthropic", disposition: "destroyed" },
        { class: "credential_env", name: "TOKEN", disposition: "destroyed" },
      ]),
    );
  });

  it("is the same bytes again, and after a restart", async () => {
    const { id } = statementIn(members).predicate.run;
    expect(archive.equals(await clientOf(gateway).run(id).download())).toBe(true);
    await gateway.stop();
    gateway = await startGateway({ script, dataDir });
    expect(archive.equals(await clientOf(gateway).run(id).download())).toBe(true);
  });
});

describe("a flipped byte", () => {
  /** Of every byte of a small archive in a soak; else of each region, and of its edges. */
  const places = () => {
    const all = archive.length;
    if (isSoak) return Array.from({ length: all }, (_, at) => at);
    const { predicate } = statementIn(members);
    const edges = new Set<number>();
    const near = (at: number) => {
      for (const by of [-22, -9, -1, 0, 1, 5, 17, 27]) edges.add(at + by);
    };
    let at = 0;
    for (const row of predicate.zip.members) {
      near(at);
      at = archive.indexOf(Buffer.from(row.name), at + 1);
      near(at);
      at += row.packed_bytes;
      near(at);
    }
    const step = Math.ceil(all / 400);
    for (let sample = 0; sample < all; sample += step) edges.add(sample);
    for (let back = 1; back <= 60; back++) edges.add(all - back);
    return [...edges].filter((place) => place >= 0 && place < all);
  };

  it("is found wherever it is, and its place is named", async () => {
    const path = join(dir, "flipped.zip");
    const silent: string[] = [];
    for (const place of places()) {
      const bytes = Buffer.from(archive);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << (place % 8));
      writeFileSync(path, bytes);
      const report = await verifyArchive(path);
      const [first] = report.faults;
      if (report.ok || first === undefined) silent.push(`${place} is not found`);
      else if (!namesPlace(report, place)) silent.push(`${place}: ${said(report)}`);
    }
    expect(silent).toEqual([]);
  }, 600_000);

  it("is found in what decompresses to the same bytes", async () => {
    const { zip } = statementIn(members).predicate;
    let at = 0;
    const same: [name: string, place: number, bit: number][] = [];
    for (const row of zip.members) {
      const begin = archive.indexOf(Buffer.from(row.name), at) + row.name.length + 9;
      at = begin + row.packed_bytes;
      const packed = Buffer.from(archive.subarray(begin, at));
      for (let bit = 0; row.method === "deflate" && bit < 8; bit++) {
        const last = packed.length - 1;
        packed[last] = (packed[last] ?? 0) ^ (1 << bit);
        if (unpacks(packed)?.equals(new Map(members).get(row.name) ?? packed)) {
          same.push([row.name, begin + last, bit]);
        }
        packed[last] = (packed[last] ?? 0) ^ (1 << bit);
      }
    }
    expect(same.length).toBeGreaterThan(0);
    for (const [name, place, bit] of same) {
      const bytes = Buffer.from(archive);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      expect(said(await check(bytes))).toContain(`${name} is compressed in another way`);
    }
  });

  it("is found in what decodes to the same signature", async () => {
    // Of the last letter of 64 bytes in base 64 four bits mean nothing.
    const at = archive.lastIndexOf('=="') - 1;
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const value = letters.indexOf(String.fromCharCode(archive[at] ?? 0));
    const bytes = Buffer.from(archive);
    bytes.write(letters[value ^ 1] ?? "", at);
    expect(said(await check(bytes))).toContain(
      "attestation.json cannot be used: it is not written",
    );
    bytes.write(letters[value] ?? "", at);
    bytes.write("\t", archive.lastIndexOf('\n  "signatures"') + 1);
    expect(said(await check(bytes))).toContain(
      "attestation.json cannot be used: it is not written",
    );
  });

  function unpacks(packed: Buffer): Buffer | undefined {
    try {
      return inflateRawSync(packed);
    } catch {
      return undefined;
    }
  }

  /** The offset itself, or the member in whose bytes it is. */
  function namesPlace({ faults }: ArchiveReport, place: number): boolean {
    return faults.some(({ kind, subject, offset }) => {
      if (offset === place) return true;
      return kind !== "zip" && inMember(subject, place);
    });
  }

  function inMember(name: string, place: number): boolean {
    const begin = archive.indexOf(Buffer.from(name)) + name.length;
    const row = statementIn(members).predicate.zip.members.find((one) => one.name === name);
    const size = row?.packed_bytes ?? new Map(members).get(name)?.length ?? 0;
    return place >= begin && place < begin + 9 + size;
  }
});

describe("an archive that was put together anew", () => {
  it.each<[string, () => Members, RegExp]>([
    ["without an event", () => lines((list) => list.toSpliced(4, 1)), /Event 5 is missing/],
    [
      "with an event twice",
      () => lines((list) => list.toSpliced(4, 0, list[3] ?? "")),
      /Event 4 stands in line 5, where 5 belongs/,
    ],
    [
      "with two events in each other's place",
      () => lines((list) => list.toSpliced(3, 2, list[4] ?? "", list[3] ?? "")),
      /Event 4 is missing[\s\S]*Event 4 stands in line 5/,
    ],
    [
      "with an event that was edited",
      () =>
        lines((list) => list.map((line, at) => (at === 0 ? line.replace('"go"', '"ga"') : line))),
      /Event 1 was edited/,
    ],
    [
      "without its last event",
      () => lines((list) => list.slice(0, -1)),
      /the events say \{"last_seq"/,
    ],
    [
      "with two outputs in each other's place",
      () => {
        const list = copyOf(members);
        const [a, b] = [list[2], list[3]];
        if (a && b) [a[1], b[1]] = [b[1], a[1]];
        return list;
      },
      /outputs\/a.txt has the digest[\s\S]*outputs\/b.txt has the digest/,
    ],
    [
      "without an output",
      () => members.filter(([name]) => name !== "outputs/b.txt"),
      /outputs\/b.txt is missing/,
    ],
    [
      "with one file more",
      () => copyOf(members).toSpliced(3, 0, ["outputs/extra.txt", Buffer.from("x")]),
      /outputs\/extra.txt was never part of it/,
    ],
    [
      "with a member twice",
      () => copyOf(members).toSpliced(3, 0, ["outputs/a.txt", Buffer.from("other\n")]),
      /outputs\/a.txt is in the archive more than once/,
    ],
    [
      "with a name that leads out of it",
      () => copyOf(members).toSpliced(3, 0, ["../../etc/cron.d/x", Buffer.from("x")]),
      /The zip cannot be read: invalid relative path/,
    ],
    [
      "with members in another order",
      () => copyOf(members).toSpliced(2, 2, ...copyOf(members).slice(2, 4).reverse()),
      /header of outputs\/a.txt|not in its place/,
    ],
    [
      "with another end",
      () => change("run.json", (text) => text.replace("succeeded", "failed")),
      /run.json has the digest/,
    ],
    [
      "with a member that would fill any disk",
      () => change("outputs/c.txt", () => "x".repeat(5_000_000)),
      /outputs\/c.txt goes on behind the \d+ bytes/,
    ],
    ["without its attestation", () => members.slice(0, -1), /There is no attestation.json/],
  ])("%s", async (_name, made, expected) => {
    const list = made();
    const report = await check(await rebuild(list, statementIn(members).predicate.zip.time));
    expect(report.ok).toBe(false);
    expect(said(report)).toMatch(expected);
  });

  it("that was cut off", async () => {
    for (const length of [0, 10, archive.length - 1, archive.length - 30, archive.length >> 1]) {
      const report = await check(archive.subarray(0, length));
      expect(report.ok, `${length} bytes`).toBe(false);
    }
    expect(said(await check(archive.subarray(0, archive.length >> 1)))).toContain("cut off");
  });

  it("with something before or behind it", async () => {
    for (const parts of [
      [Buffer.from("x"), archive],
      [archive, Buffer.from("x")],
    ]) {
      expect((await check(Buffer.concat(parts))).ok).toBe(false);
    }
  });
});

describe("an archive that somebody else signed", () => {
  it("is good for nobody who names the gateway's key", async () => {
    const { bytes, keyId } = await forge(members);
    const { id } = await clientOf(gateway).attestationKey();
    const unnamed = await check(bytes);
    expect(unnamed).toMatchObject({ ok: true, key: { id: keyId, pinned: false } });
    const named = await check(bytes, id);
    expect(named.ok).toBe(false);
    expect(said(named)).toContain(`signed by the key ${keyId}, expected ${id}`);
  });

  it.each([
    "../../etc/cron.d/x",
    "/etc/passwd",
    "outputs/../../x",
    "outputs\\x",
    "outputs/C:/x",
    "x",
  ])("is not to be unpacked when it has the member %s", async (name) => {
    const { bytes } = await forge(copyOf(members).toSpliced(3, 0, [name, Buffer.from("x")]));
    const report = await check(bytes);
    expect(report.ok).toBe(false);
    expect(said(report)).toContain(`${JSON.stringify(name)} is no name of a member`);
  });

  it("has to agree with itself all the same", async () => {
    const swapped = change("manifest.json", (text) =>
      text
        .replace(/"outputs\/a.txt"/, '"outputs/b.txt"')
        .replace(/"outputs\/b.txt"(?![\s\S]*"outputs\/b.txt")/, '"outputs/a.txt"'),
    );
    expect(said(await check((await forge(swapped)).bytes))).toContain("is not what was captured");
    const failed = change("run.json", (text) => text.replace('"succeeded"', '"failed"'));
    const forged = await forge(failed, ({ run }) => {
      run.status = "failed";
    });
    expect(said(await check(forged.bytes))).toMatch(
      /run.json says status "failed", the events say "succeeded"/,
    );
    const approved = await forge(members, (predicate) => {
      predicate.policy.decisions.deny = 7;
    });
    expect(said(await check(approved.bytes))).toMatch(/attestation.json says policy/);
    const kept = change("custody.json", (text) => text.replace("destroyed", "cleanup_failed"));
    expect(said(await check((await forge(kept)).bytes))).toMatch(/custody.json says/);
  });
});

describe("an archive whose signature is good and whose members are not", () => {
  it("is found when an output has other bytes than the journal captured", async () => {
    const report = await check((await forge(change("outputs/a.txt", () => "two\n"))).bytes);
    expect(report.ok).toBe(false);
    expect(said(report)).toMatch(/^outputs\/a.txt has the digest sha256:\w+, manifest.json says/);
  });

  it("is found when there is an output that the manifest does not name, or one less", async () => {
    const evil: Members[number] = ["outputs/evil.sh", Buffer.from("rm -rf /")];
    const more = await check((await forge(copyOf(members).toSpliced(3, 0, evil))).bytes);
    expect(said(more)).toBe('"outputs/evil.sh" is a member, and no output of manifest.json');
    const fewer = copyOf(members).filter(([name]) => name !== "outputs/b.txt");
    expect(said(await check((await forge(fewer)).bytes))).toMatch(
      /^outputs\/b.txt is in manifest.json, and no member of the archive$/,
    );
  });

  it("is found when it says that it is partial and the run has ended", async () => {
    const partial = change("manifest.json", (text) =>
      text.replace('"partial": false', '"partial": true'),
    );
    const forged = await forge(partial, (predicate) => {
      predicate.partial = true;
    });
    expect(said(await check(forged.bytes))).toBe(
      "manifest.json says partial true, the events say false",
    );
  });

  it("is found when there is not one event", async () => {
    const forged = await forge(
      change("events.jsonl", () => ""),
      (predicate) => {
        const head = predicate.run.id;
        predicate.journal = { last_seq: 0, head };
      },
    );
    expect(said(await check(forged.bytes))).toContain("events.jsonl has no event");
  });
});

describe("the archive of a run that goes on", () => {
  it("is signed as partial, and taking it changes nothing", async () => {
    const run = await submit("hangs");
    await untilEvent(run, "outputs.captured");
    await untilEvent(run, "call.started", 2);
    const before = await clientOf(gateway).getRun(run.id);
    const bytes = Buffer.from(await run.download());
    const report = await check(bytes);
    expect(report.faults).toEqual([]);
    expect(report).toMatchObject({
      ok: true,
      partial: true,
      outputs: 1,
      run: { status: "running" },
    });
    const parts = new Map(await readZip(bytes));
    expect(JSON.parse(parts.get("manifest.json")?.toString() ?? "")).toMatchObject({
      ...{ source: "live", partial: true },
    });
    const custody = JSON.parse(parts.get("custody.json")?.toString() ?? "");
    expect(custody).toEqual({
      ...{ runId: run.id, recorded: false },
      secrets: [
        { class: "credential_env", name: "TOKEN", disposition: "held" },
        { class: "provider_api_key", name: "anthropic", disposition: "held" },
        { class: "run_token", name: "run_token", disposition: "held" },
      ],
    });
    expect((await clientOf(gateway).getRun(run.id)).lastSeq).toBe(before.lastSeq);
    await clientOf(gateway).cancelRun(run.id);
    await run.wait();
  });
});
