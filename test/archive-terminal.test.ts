/** `airlock verify ARCHIVE`, as a person or a script types it: no gateway, no network, and exit codes to rely on. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { forge, type Members } from "./support/forge-archive.ts";
import { readZip } from "./support/read-zip.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";
import { typed } from "./support/terminal.ts";

const dir = newDataDir();
const at = (name: string) => join(dir, name);
/** Nobody answers there: whoever asks a gateway fails. */
const nowhere = { url: "http://127.0.0.1:9" };
let id = "";

beforeAll(async () => {
  const gateway = await startGateway({
    script: {
      turns: [
        { calls: [{ tool: "sandbox_exec", arguments: { command: "echo x > /workspace/out/x" } }] },
        { text: "done" },
      ],
    },
    env: { AIRLOCK_RATE_ARCHIVES: "2" },
  });
  const run = await clientOf(gateway).submitRun({
    ...{ model: "scripted/x", prompt: "go", outputDirs: ["/workspace/out"] },
  });
  await run.wait();
  await run.download({ to: at("run.zip") });
  const key = await clientOf(gateway).attestationKey();
  ({ id } = key);
  writeFileSync(at("key.pem"), key.publicKey);
  const members: Members = [...(await readZip(readFileSync(at("run.zip"))))];
  writeFileSync(at("forged.zip"), (await forge(members)).bytes);
  const damaged = readFileSync(at("run.zip"));
  damaged[60] = (damaged[60] ?? 0) ^ 1;
  writeFileSync(at("damaged.zip"), damaged);

  // The limit is the operator's, and the answer says when to ask again.
  await run.download();
  const path = `/api/runs/${run.id}/archive`;
  const tooMany = await call(gateway, "GET", path);
  expect(tooMany.status).toBe(429);
  expect(tooMany.headers.get("retry-after")).toMatch(/^\d+$/);
  const anonymous = await fetch(`${gateway.url}/api/attestation-key`);
  expect(anonymous.status).toBe(401);
  await gateway.stop();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("airlock verify ARCHIVE", () => {
  it("says that all is well, by a file with the key and by its id", async () => {
    for (const key of [at("key.pem"), id, id.slice("sha256:".length)]) {
      const { code, out } = await typed(["verify", at("run.zip"), "--key", key], nowhere);
      expect(out).toContain("run.zip is as it was signed");
      expect(out).toContain("succeeded, ");
      expect(out).toMatch(new RegExp(`signed by ${id}$`, "m"));
      expect(code).toBe(0);
    }
  });

  it("says whose signature it is when nobody named one, and that this has to be looked at", async () => {
    const { code, out } = await typed(["verify", at("forged.zip")], nowhere);
    expect(code).toBe(0);
    expect(out).toMatch(/signed by sha256:[0-9a-f]{64}, which you did not name:/);
    expect(out).toContain("compare it with the gateway's own: airlock attestation-key");
    const pinned = await typed(["verify", at("forged.zip"), "--key", at("key.pem")], nowhere);
    expect(pinned.code).toBe(1);
    expect(pinned.out).toContain(`expected ${id}`);
  });

  it("names what is wrong, for people and as JSON, and writes nothing", async () => {
    const before = readdirSync(dir);
    const { code, out } = await typed(["verify", at("damaged.zip"), "--key", id], nowhere);
    expect(code).toBe(1);
    expect(out).toMatch(/✗ run.json (cannot be unpacked|has the digest)/);
    expect(out).toMatch(/damaged.zip: \d+ faults?$/m);
    const json = await typed(["verify", at("damaged.zip"), "--key", id, "--json"], nowhere);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      ...{ archive: at("damaged.zip"), ok: false, key: { id, pinned: true } },
      faults: expect.arrayContaining([expect.objectContaining({ subject: "run.json" })]),
    });
    expect(readdirSync(dir)).toEqual(before);
  });

  it("is used wrongly with what is no file or no key", async () => {
    mkdirSync(at("folder"), { recursive: true });
    for (const [argv, words] of [
      [["verify", at("none.zip")], /ENOENT/],
      [["verify", at("folder")], /not a regular file/],
      [["verify", at("run.zip"), "--key", at("none.pem")], /Cannot read the key/],
      [["verify", at("run.zip"), "--key", at("run.zip")], /holds no PEM key/],
      [["verify", "--key", id], /--key is for an archive, and none was named/],
    ] as const) {
      const { code, err } = await typed([...argv], nowhere);
      expect({ argv, code, err }).toMatchObject({ code: 2, err: expect.stringMatching(words) });
    }
    writeFileSync(at("empty.zip"), "");
    expect((await typed(["verify", at("empty.zip")], nowhere)).code).toBe(1);
  });
});
