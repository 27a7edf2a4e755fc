import type { Reachable } from "./airlock-api.ts";

/** What an upload of a bundle says; a part that is left out is not sent. */
export interface BundleParts {
  name?: string;
  bundle?: Uint8Array;
  content?: string | Uint8Array;
  contentHash?: string;
  [other: string]: string | Uint8Array | undefined;
}

/** Uploads a bundle as any HTTP client would: `path` is `/api/skills` and its like. */
export async function uploadBundle(
  { url, token }: Reachable,
  path: string,
  parts: BundleParts,
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) {
    if (value === undefined) continue;
    // As bytes: a form changes the ends of lines in texts.
    form.append(name, new Blob([Buffer.from(value as string)]), "any");
  }
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}${path}`, { method: "POST", headers, body: form });
  const body = JSON.parse(await response.text()) as Record<string, unknown>;
  return { status: response.status, body, headers: response.headers };
}
