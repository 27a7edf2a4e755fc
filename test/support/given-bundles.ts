/** Bundles as a client that is not ours would send them: zipped by another program's library, named by the canonical manifest. */
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { ZipFile } from "yazl";
import { type BundleEntry, bundleManifest } from "../../src/contract/bundle.ts";
import type { Run } from "../../src/sdk/sdk.ts";
import type { Reachable } from "./airlock-api.ts";

/** Files by path; a second member of a pair is the mode. */
export type BundleFiles = Record<string, string | Buffer | [string | Buffer, 0o644 | 0o755]>;

const partsOf = (file: BundleFiles[string]): [Buffer, 0o644 | 0o755] => {
  const [data, mode] = Array.isArray(file) ? file : ([file, 0o644] as const);
  return [Buffer.from(data), mode];
};

export function zipOf(files: BundleFiles): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, file] of Object.entries(files)) {
    const [data, mode] = partsOf(file);
    zip.addBuffer(data, path, { mode: 0o100000 | mode });
  }
  zip.end();
  return buffer(zip.outputStream);
}

export const sha256Of = (data: string | Buffer) =>
  `sha256:${createHash("sha256").update(data).digest("hex")}`;

export function contentHashOf(files: BundleFiles): string {
  const entries = Object.entries(files).map(([path, file]): BundleEntry => {
    const [data, mode] = partsOf(file);
    return { path, mode, size: data.length, sha256: sha256Of(data) };
  });
  return sha256Of(bundleManifest(entries));
}

export interface Answer {
  status: number;
  body: Record<string, unknown> & { error?: { code: string; message: string; details?: unknown } };
}

/** One form or JSON body to the API, as any HTTP client sends it. */
export async function post(
  { url, token }: Reachable,
  path: string,
  body: FormData | object,
): Promise<Answer> {
  const isForm = body instanceof FormData;
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      ...(isForm ? {} : { "content-type": "application/json" }),
    },
    body: isForm ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

/** Puts a bundle into the workspace: `skills`, `agentsmd` or `files`. */
export async function uploaded(
  gateway: Reachable,
  kind: "skills" | "agentsmd" | "files",
  name: string,
  files: BundleFiles,
): Promise<string> {
  const form = new FormData();
  form.append("name", name);
  form.append("bundle", new Blob([new Uint8Array(await zipOf(files))]), `${name}.zip`);
  const { status, body } = await post(gateway, `/api/${kind}`, form);
  const [record] = Object.values(body) as { id?: string }[];
  if (status > 201 || record?.id === undefined) throw new Error(JSON.stringify(body));
  return record.id;
}

/** A submission, as a form when bundles travel with it: parts by their whole names. */
export async function submitted(
  gateway: Reachable,
  submission: object,
  parts: Record<string, BundleFiles> = {},
): Promise<Answer> {
  if (Object.keys(parts).length === 0) return post(gateway, "/api/runs", submission);
  const form = new FormData();
  const json = new Blob([JSON.stringify(submission)], { type: "application/json" });
  form.append("submission", json, "submission.json");
  for (const [name, files] of Object.entries(parts)) {
    const zip = new Blob([new Uint8Array(await zipOf(files))], { type: "application/zip" });
    form.append(name, zip, "bundle.zip");
  }
  return post(gateway, "/api/runs", form);
}

/** The same for one that is taken. */
export async function run(
  gateway: Reachable,
  submission: object,
  parts: Record<string, BundleFiles> = {},
): Promise<string> {
  const { status, body } = await submitted(gateway, submission, parts);
  if (status > 201) throw new Error(JSON.stringify(body));
  const given = (body.run ?? body) as Run;
  return given.id;
}

/** How a submission names a bundle that travels with it. */
export function transient(slot: string, name: string, files: BundleFiles) {
  return { kind: "transient", slot, name, contentHash: contentHashOf(files) };
}
