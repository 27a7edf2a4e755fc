import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readPinnedKey } from "./pinned-key.ts";
import { openSigner } from "./signing-key.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-signer-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const path = () => join(dir, "attestation-key");
const pem = (type: "ed25519" | "x25519") =>
  generateKeyPairSync(type as "ed25519")
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();

describe("the key that signs archives", () => {
  it("is made once, for its owner only, and is the same at every start", async () => {
    const first = await openSigner({ dir });
    expect((await stat(path())).mode & 0o7777).toBe(0o600);
    expect(await readdir(dir)).toEqual(["attestation-key"]);
    expect((await openSigner({ dir })).key).toEqual(first.key);
    const bytes = Buffer.from("what is signed");
    const publicKey = createPublicKey(first.key.publicKey);
    expect(verify(null, bytes, publicKey, first.sign(bytes))).toBe(true);
    expect(first.sign(bytes)).toEqual(first.sign(bytes));
  });

  it("is whole after a start that died in the middle of making it, and nothing is left of that", async () => {
    await writeFile(`${path()}.0b0e7f1c-7f4e-4b52-8a51-0123456789ab`, "half a key");
    const { key } = await openSigner({ dir });
    await writeFile(`${path()}.0b0e7f1c-7f4e-4b52-8a51-0123456789ab`, "a second name");
    expect((await openSigner({ dir })).key).toEqual(key);
    expect(await readdir(dir)).toEqual(["attestation-key"]);
  });

  it("is another one after it was moved away, and has the name that any tool gives it", async () => {
    const { key: old } = await openSigner({ dir });
    await rm(path());
    const { key } = await openSigner({ dir });
    expect(key.id).not.toBe(old.id);
    const file = join(dir, "public.pem");
    await writeFile(file, key.publicKey);
    const command = `openssl pkey -pubin -in '${file}' -outform DER | sha256sum`;
    const digits = execFileSync("sh", ["-c", command]).toString().slice(0, 64);
    expect(key.id).toBe(`sha256:${digits}`);
    for (const named of [file, key.id, digits]) {
      expect(await readPinnedKey(named)).toEqual({ id: key.id });
    }
  });

  it("may come from outside, and then none is made", async () => {
    const keyFile = join(dir, "outside.pem");
    await writeFile(keyFile, pem("ed25519"), { mode: 0o440 });
    const { key } = await openSigner({ dir, keyFile });
    expect((await openSigner({ dir, keyFile })).key).toEqual(key);
    expect(await readdir(dir)).toEqual(["outside.pem"]);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ["others can read", async () => chmod(path(), 0o644), /its mode is 0644, expected 0600/],
    [
      "is a link",
      async () => {
        await rm(path());
        await symlink("/etc/passwd", path());
      },
      /it is a symbolic link/,
    ],
    ["is empty", async () => writeFile(path(), ""), /it is no private key in PEM/],
    ["is of another kind", async () => writeFile(path(), pem("x25519")), /no Ed25519 key/],
    ["is endless", async () => writeFile(path(), "x".repeat(10_000)), /it has 10000 bytes/],
  ])("that %s is refused, and not replaced", async (_name, spoil, expected) => {
    await openSigner({ dir });
    await spoil();
    const before = await readFile(path());
    await expect(openSigner({ dir })).rejects.toThrow(expected);
    expect(await readFile(path())).toEqual(before);
  });

  it("that is named and is none is told in words", async () => {
    await writeFile(join(dir, "x"), "no key");
    await expect(readPinnedKey(join(dir, "x"))).rejects.toThrow(/it holds no PEM key/);
    await expect(readPinnedKey(join(dir, "y"))).rejects.toThrow(/\(ENOENT\): expected a file/);
  });
});
