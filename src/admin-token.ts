import { randomUUID } from "node:crypto";
import { access, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Tokens } from "./store/store.ts";

const tokenName = "admin-token";

/**
 * Writes an admin token to `<dataDir>/admin-token` (0600) at the first start of a data directory. A crash between the
 * row and the file would lock everybody out, so a start that finds neither the file nor any token that a person made
 * makes a new one and revokes what was lost. Returns the path.
 */
export async function ensureAdminToken(dataDir: string, tokens: Tokens): Promise<string> {
  const path = join(dataDir, tokenName);
  await sweepUnfinished(dataDir);
  const live = (await tokens.list()).filter(({ revokedAt }) => revokedAt === null);
  if (live.some(({ name }) => name !== tokenName)) return path;
  if (live.length > 0 && (await exists(path))) return path;
  for (const lost of live) await tokens.revoke(lost.id);
  const { secret } = await tokens.create({
    name: tokenName,
    workspaceName: "default",
    scopes: ["runs", "approve", "admin"],
  });
  await writeDurably(dataDir, path, `${secret}\n`);
  return path;
}

/** A start that died before the file had its name left a secret that opens nothing. */
async function sweepUnfinished(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name.startsWith(`.${tokenName}.`)) await rm(join(dir, name), { force: true });
  }
}

async function writeDurably(dir: string, path: string, text: string): Promise<void> {
  const temp = join(dir, `.${tokenName}.${randomUUID()}`);
  const file = await open(temp, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temp, path);
  const directory = await open(dir, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
