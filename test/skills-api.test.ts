/** Skills, instructions and files through the API, against a gateway that is a process of its own. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BundleFile, SkillRecord } from "../src/contract/bundle.ts";
import { call, clientOf, type Reachable } from "./support/airlock-api.ts";
import { uploadBundle } from "./support/bundle-api.ts";
import { ageBlobs, blobsIn } from "./support/old-blobs.ts";
import { readZip } from "./support/read-zip.ts";
import { removeTree } from "./support/remove-tree.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { type ZipEntry, zipOf } from "./support/zip-of.ts";

const env = { AIRLOCK_RATE_SUBMISSIONS: "10000", AIRLOCK_RATE_EXPORTS: "10000" };
const MiB = 1024 * 1024;
const skillText = "---\nname: count\ndescription: Counts words\n---\n# Count\n";
const skill: ZipEntry[] = [
  { path: "SKILL.md", bytes: skillText },
  { path: "scripts/count.py", bytes: "print(1)\n", mode: 0o100755, level: 9 },
];
const sha = (bytes: string | Buffer) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

let gateway: StartedGateway;
let other: Reachable;
beforeAll(async () => {
  gateway = await startGateway({ env });
  const made = await clientOf(gateway).tokens.create({
    ...{ name: "other", scopes: ["runs"], workspace: "other" },
  });
  other = { url: gateway.url, token: made.secret };
});
afterAll(() => gateway.stop());

const upload = (name: string, entries: readonly ZipEntry[], more: object = {}) =>
  uploadBundle(gateway, "/api/skills", { name, bundle: zipOf(entries), ...more });

async function newSkill(name: string, entries: readonly ZipEntry[] = skill): Promise<SkillRecord> {
  const { status, body } = await upload(name, entries);
  expect(body).toMatchObject({ skill: { name } });
  expect(status).toBe(201);
  return (body as { skill: SkillRecord }).skill;
}

const errorOf = (body: object) => (body as { error: { code: string; message: string } }).error;

describe("a skill", () => {
  it("is uploaded once, listed, shown, found, handed back and deleted", async () => {
    const { status, body, headers } = await upload("whole", skill);
    const record = (body as { skill: SkillRecord }).skill;
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`/api/skills/${record.id}`);
    const expected = {
      ...{ id: expect.stringMatching(/^skl_[0-9a-z]{26}$/), name: "whole", fileCount: 2 },
      ...{ sizeBytes: skillText.length + 9, description: "Counts words" },
      ...{ createdAt: expect.any(String), contentHash: expect.stringMatching(/^sha256:/) },
    };
    expect(record).toEqual(expected);
    const files: BundleFile[] = [
      { path: "SKILL.md", mode: "0644", size: skillText.length, sha256: sha(skillText) },
      { path: "scripts/count.py", mode: "0755", size: 9, sha256: sha("print(1)\n") },
    ];
    const path = `/api/skills/${record.id}`;
    expect((await call(gateway, "GET", path)).body).toEqual({ skill: record, files });
    const listed = await call(gateway, "GET", "/api/skills");
    expect((listed.body as { skills: SkillRecord[] }).skills[0]).toEqual(record);
    const query = `name=whole&content_hash=${record.contentHash}`;
    const found = await call(gateway, "GET", `/api/skills/by-hash?${query}`);
    expect(found).toMatchObject({ status: 200, body: { skill: record } });

    const headersOf = { authorization: `Bearer ${gateway.token}` };
    const answer = await fetch(`${gateway.url}${path}/bundle`, { headers: headersOf });
    expect(answer.headers.get("content-type")).toBe("application/zip");
    expect(answer.headers.get("content-disposition")).toContain('filename="whole.zip"');
    const zip = Buffer.from(await answer.arrayBuffer());
    expect([...(await readZip(zip)).keys()]).toEqual(["SKILL.md", "scripts/count.py"]);
    const same = await uploadBundle(gateway, "/api/skills", { name: "whole", bundle: zip });
    expect(same).toMatchObject({ status: 200, body: { skill: record } });
    const tag = answer.headers.get("etag") ?? "";
    const current = await fetch(`${gateway.url}${path}/bundle`, {
      headers: { ...headersOf, "if-none-match": tag },
    });
    expect(current.status).toBe(304);

    expect(await call(gateway, "DELETE", path)).toMatchObject({ status: 200, body: {} });
    for (const gone of [path, `${path}/bundle`]) {
      const { status: now, body: said } = await call(gateway, "GET", gone);
      expect([now, errorOf(said).code]).toEqual([410, "skill_deleted"]);
      expect(errorOf(said).message).toContain(record.id);
    }
    expect(await call(gateway, "DELETE", path)).toMatchObject({ status: 200 });
    const after = await call(gateway, "GET", `/api/skills/by-hash?${query}`);
    expect(after).toMatchObject({ status: 200, body: { skill: null } });
    expect(JSON.stringify((await call(gateway, "GET", "/api/skills")).body)).not.toContain(
      record.id,
    );
    expect((await newSkill("whole")).id).not.toBe(record.id);
  });

  it("is the same record for the same content, and another for another", async () => {
    const first = await newSkill("versions");
    const packed = [...skill].reverse().map((file) => ({ ...file, level: 1, time: 0x5a5a_5a5a }));
    const again = await upload("versions", packed, { contentHash: first.contentHash });
    expect(again).toMatchObject({ status: 200, body: { skill: first } });
    const second = await newSkill("versions", [{ path: "SKILL.md", bytes: "# Two" }]);
    expect(second.contentHash).not.toBe(first.contentHash);
    const named = await newSkill("versions-b");
    expect(named.contentHash).toBe(first.contentHash);
    const executable = skill.map((file) => ({ ...file, mode: 0o100777 }));
    expect((await newSkill("versions", executable)).contentHash).not.toBe(first.contentHash);
  });

  it("is not there for another workspace, in no way at all (I14)", async () => {
    const { id, name, contentHash } = await newSkill("private");
    for (const path of [id, `${id}/bundle`, "skl_01kadz3v6m5c0jx9s2qf8t7w4b"]) {
      const { status, body } = await call(other, "GET", `/api/skills/${path}`);
      expect([status, errorOf(body).code]).toEqual([404, "not_found"]);
    }
    expect((await call(other, "DELETE", `/api/skills/${id}`)).status).toBe(404);
    expect((await call(other, "GET", "/api/skills")).body).toEqual({ skills: [] });
    const query = `name=${name}&content_hash=${contentHash}`;
    const found = await call(other, "GET", `/api/skills/by-hash?${query}`);
    expect(found.body).toEqual({ skill: null });
    // An id of one kind is no id of another.
    expect((await call(gateway, "GET", `/api/files/${id}`)).status).toBe(404);
    const theirs = await uploadBundle(other, "/api/skills", { name, bundle: zipOf(skill) });
    expect(theirs).toMatchObject({ status: 201, body: { skill: { contentHash } } });
    expect((await call(gateway, "GET", `/api/skills/${id}`)).status).toBe(200);
  });

  it("takes the scope runs", async () => {
    const made = await clientOf(gateway).tokens.create({ name: "asks", scopes: ["approve"] });
    const asks = { url: gateway.url, token: made.secret };
    const { status, body } = await uploadBundle(asks, "/api/skills", { name: "a" });
    expect([status, errorOf(body).code]).toEqual([403, "insufficient_scope"]);
  });
});

describe("instructions and files", () => {
  it("are uploaded in the same way, instructions also as a text", async () => {
    const text = "Be brief.\n";
    const written = await uploadBundle(gateway, "/api/agentsmd", { name: "rules", content: text });
    expect(written).toMatchObject({
      status: 201,
      body: { agentsMd: { name: "rules", fileCount: 1 } },
    });
    const bundle = zipOf([{ path: "AGENTS.md", bytes: text }]);
    const packed = await uploadBundle(gateway, "/api/agentsmd", { name: "rules", bundle });
    expect(packed).toMatchObject({ status: 200, body: written.body });
    const { agentsMd } = written.body as { agentsMd: { id: string; contentHash: string } };
    expect(agentsMd).not.toHaveProperty("description");
    const shown = await call(gateway, "GET", `/api/agentsmd/${agentsMd.id}`);
    expect(shown.body).toMatchObject({
      agentsMd,
      files: [{ path: "AGENTS.md", sha256: sha(text) }],
    });
    expect((await call(gateway, "GET", "/api/agentsmd")).body).toEqual({ agentsMd: [agentsMd] });

    const data = zipOf([
      { path: "data/a.bin", bytes: Buffer.alloc(3000, 7), level: 6 },
      { path: "empty" },
    ]);
    const made = await uploadBundle(gateway, "/api/files", { name: "data_1", bundle: data });
    expect(made).toMatchObject({ status: 201, body: { file: { fileCount: 2, sizeBytes: 3000 } } });
    const { file } = made.body as { file: { id: string } };
    expect((await call(gateway, "GET", "/api/files")).body).toEqual({ files: [file] });
    for (const [path, id, code] of [
      ["/api/agentsmd", agentsMd.id, "agents_md_deleted"],
      ["/api/files", file.id, "file_deleted"],
    ] as const) {
      await call(gateway, "DELETE", `${path}/${id}`);
      const { status, body } = await call(gateway, "GET", `${path}/${id}`);
      expect([status, errorOf(body).code]).toEqual([410, code]);
    }
  });

  it.each([
    ["/api/agentsmd", {}, /no part "bundle" or "content"/],
    ["/api/agentsmd", { content: " \n" }, /content: must not be blank/],
    ["/api/agentsmd", { content: Buffer.from([0x61, 0xff]) }, /content: expected UTF-8/],
    ["/api/agentsmd", { content: "a", bundle: zipOf(skill) }, /expected one of the two/],
    ["/api/files", { content: "a" }, /a part "content": expected "name", "bundle", "contentHash"/],
    ["/api/files", { bundle: zipOf([]) }, /has no files/],
  ])("%s with %o are refused", async (path, parts, said) => {
    const { status, body } = await uploadBundle(gateway, path, { name: "a", ...parts });
    expect([status, errorOf(body).message]).toEqual([400, expect.stringMatching(said)]);
  });
});

describe("an upload is refused", () => {
  it.each(["RulesPack", "", "-a", "a b", "ä", "a".repeat(129), "../a"])(
    "with the name %j",
    async (name) => {
      const { status, body } = await upload(name, skill);
      expect([status, errorOf(body).code]).toEqual([400, "invalid_request"]);
      expect(errorOf(body).message).toMatch(/name.*expected lower-case letters/);
    },
  );

  it.each(["company-rules", "company_rules", "0", "a".repeat(128)])(
    "but not with the name %j",
    async (name) => {
      expect((await upload(name, skill)).status).toBe(201);
    },
  );

  it.each([
    ["bytes that are no zip", Buffer.from("hello"), "no zip that can be read"],
    ["a zip that ends in its middle", zipOf(skill).subarray(0, 100), "no zip that can be read"],
    [
      "an empty zip",
      Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]),
      "has no files",
    ],
    ["a file that leads out", zipOf([...skill, { path: "../x" }]), '"../x" must not contain a'],
    ["a link", zipOf([...skill, { path: "x", mode: 0o120777, bytes: "/" }]), '"x" is a link'],
    ["no SKILL.md", zipOf([{ path: "README.md" }]), "has no SKILL.md at its root"],
    [
      "1,001 files",
      zipOf(Array.from({ length: 1001 }, (_, at) => ({ path: `f${at}` }))),
      "1000 files",
    ],
  ])("for %s", async (_, bundle, rule) => {
    const { status, body } = await uploadBundle(gateway, "/api/skills", { name: "a", bundle });
    expect([status, errorOf(body).code]).toEqual([400, "bundle_invalid"]);
    expect(errorOf(body).message).toContain(rule);
  });

  it("for another hash than the client said, with both", async () => {
    const contentHash = sha("something else");
    const { status, body } = await upload("hash", skill, { contentHash });
    expect([status, errorOf(body).code]).toEqual([400, "hash_mismatch"]);
    expect(errorOf(body).message).toContain(contentHash);
    expect(errorOf(body)).toMatchObject({ details: { expected: contentHash, found: /^sha256/ } });
    const wrong = await upload("hash", skill, { contentHash: "abc" });
    expect(errorOf(wrong.body).message).toContain("expected sha256: and 64");
  });

  it("for more than 10 MiB packed, and for a zip of them that unpacks to more than 50", async () => {
    const bundle = Buffer.alloc(10 * MiB + 1);
    const { status, body } = await uploadBundle(gateway, "/api/skills", { name: "a", bundle });
    expect([status, errorOf(body).code]).toEqual([413, "payload_too_large"]);
    const bomb = zipOf([...skill, { path: "zeros", bytes: Buffer.alloc(51 * MiB), level: 9 }]);
    const bombed = await uploadBundle(gateway, "/api/skills", { name: "a", bundle: bomb });
    expect(errorOf(bombed.body).message).toContain(`${50 * MiB} bytes`);
    const lies = zipOf([
      ...skill,
      { path: "zeros", bytes: Buffer.alloc(51 * MiB), level: 9, says: { size: 1 } },
    ]);
    const lied = await uploadBundle(gateway, "/api/skills", { name: "a", bundle: lies });
    expect(errorOf(lied.body)).toMatchObject({ code: "bundle_invalid", message: /"zeros" cannot/ });
  });

  it("when it is no such form", async () => {
    const json = await call(gateway, "POST", "/api/skills", { name: "a" });
    expect([json.status, errorOf(json.body).code]).toEqual([415, "unsupported_media_type"]);
    const unknown = await upload("a", skill, { extra: "x" });
    expect(errorOf(unknown.body).message).toMatch(/a part "extra": expected "name", "bundle"/);
    const long = await upload("a", skill, { contentHash: "a".repeat(2000) });
    expect(long.status).toBe(413);
    const bare = await uploadBundle(gateway, "/api/skills", { bundle: zipOf(skill) });
    expect(errorOf(bare.body).message).toMatch(/name/);
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    const part = '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n';
    const twice = await call(gateway, "POST", "/api/skills", `${part}${part}--x--\r\n`, headers);
    expect(errorOf(twice.body).message).toContain('"name" comes twice');
    const cut = await call(gateway, "POST", "/api/skills", part, headers);
    expect(errorOf(cut.body).message).toContain("before its closing boundary");
  });

  it("when its query is none of the two words", async () => {
    for (const query of [
      "",
      "?name=a",
      "?name=A&content_hash=x",
      `?name=a&content_hash=${sha("")}&x=1`,
    ]) {
      const { status } = await call(gateway, "GET", `/api/skills/by-hash${query}`);
      expect(status, query).toBe(400);
    }
    expect((await call(gateway, "DELETE", "/api/skills/by-hash")).status).toBe(404);
  });

  it("when the workspace uploads too often", async () => {
    const slow = await startGateway({ env: { AIRLOCK_RATE_SUBMISSIONS: "2" } });
    const statuses: number[] = [];
    for (let at = 0; at < 3; at++) {
      const bundle = zipOf(skill);
      statuses.push((await uploadBundle(slow, "/api/skills", { name: "a", bundle })).status);
    }
    expect(statuses).toEqual([201, 200, 429]);
    await slow.stop();
  });
});

describe("what an upload leaves on disk", () => {
  it("is its files and its manifest, as long as it is there", async () => {
    const dataDir = newDataDir();
    let own = await startGateway({ env, dataDir });
    const kept = await uploadBundle(own, "/api/skills", { name: "kept", bundle: zipOf(skill) });
    const manyFiles = [...skill, { path: "more", bytes: "only here" }];
    const gone = await uploadBundle(own, "/api/skills", { name: "gone", bundle: zipOf(manyFiles) });
    const { id } = (gone.body as { skill: SkillRecord }).skill;
    await uploadBundle(own, "/api/skills", { name: "bad", bundle: zipOf([{ path: "x" }]) });
    await call(own, "DELETE", `/api/skills/${id}`);
    await own.stop();
    ageBlobs(dataDir);
    own = await startGateway({ env, dataDir });
    await clientOf(own).gc({ dryRun: false });
    const { contentHash } = (kept.body as { skill: SkillRecord }).skill;
    const wanted = [contentHash, sha(skillText), sha("print(1)\n")];
    expect(blobsIn(dataDir).sort()).toEqual(wanted.sort());
    expect(await clientOf(own).verify()).toMatchObject({ ok: true, blobs: 3 });
    expect((await call(own, "GET", `/api/skills/${id}`)).status).toBe(410);
    // The same again is there again, with all its bytes.
    const again = await uploadBundle(own, "/api/skills", {
      name: "gone",
      bundle: zipOf(manyFiles),
    });
    expect(again.status).toBe(201);
    expect(await clientOf(own).verify()).toMatchObject({ ok: true, blobs: 5 });
    await own.stop();
    removeTree(dataDir);
  });

  it("is named by verify when a row keeps other blobs than it is made of", async () => {
    const dataDir = newDataDir();
    let own = await startGateway({ env, dataDir });
    await uploadBundle(own, "/api/skills", { name: "kept", bundle: zipOf(skill) });
    await own.stop();
    const db = new DatabaseSync(join(dataDir, "airlock.db"));
    db.prepare("DELETE FROM bundle_blobs WHERE sha256 = ?").run(sha(skillText));
    db.close();
    own = await startGateway({ env, dataDir });
    const { ok, defects } = await clientOf(own).verify();
    expect(ok).toBe(false);
    expect(defects).toMatchObject([{ message: expect.stringContaining("keeps other blobs") }]);
    await own.stop();
    removeTree(dataDir);
  });

  it("is nothing when the gateway is killed while it comes in or is unpacked", async () => {
    const dataDir = newDataDir();
    let own = await startGateway({ env, dataDir });
    const { port } = new URL(own.url);
    const socket = connect(Number(port), "127.0.0.1").on("error", () => undefined);
    const head = '--x\r\nContent-Disposition: form-data; name="bundle"\r\n\r\n';
    socket.write(
      `POST /api/skills HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${own.token}\r\n` +
        `Content-Type: multipart/form-data; boundary=x\r\nContent-Length: ${9 * MiB}\r\n\r\n${head}`,
    );
    socket.write(Buffer.alloc(4 * MiB, 1));
    await until(() => readdirSync(join(dataDir, "blobs", "tmp")).length > 0);
    await own.kill9();
    socket.destroy();

    own = await startGateway({ env, dataDir });
    expect(readdirSync(join(dataDir, "blobs", "tmp"))).toEqual([]);
    const files = Array.from({ length: 999 }, (_, at) => ({ path: `f${at}`, bytes: `file ${at}` }));
    const bundle = zipOf([...skill, ...files].slice(0, 1000));
    const sent = uploadBundle(own, "/api/skills", { name: "many", bundle }).catch(() => "cut off");
    await until(() => blobsIn(dataDir).length > 100);
    await own.kill9();
    expect(await sent).toBe("cut off");
    ageBlobs(dataDir);

    own = await startGateway({ env, dataDir });
    await clientOf(own).gc({ dryRun: false });
    expect(blobsIn(dataDir)).toEqual([]);
    expect((await call(own, "GET", "/api/skills")).body).toEqual({ skills: [] });
    expect(await clientOf(own).verify()).toMatchObject({ ok: true, blobs: 0 });
    // And what the client then sends again is taken.
    expect((await uploadBundle(own, "/api/skills", { name: "many", bundle })).status).toBe(201);
    await own.stop();
    removeTree(dataDir);
  });
});

/** Looks again and again until it is so: what is awaited here has no event that a client could see. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
