import type { Readable } from "node:stream";
import type { BundleSource } from "../bundles/bundles.ts";
import { BundleName, bundleLimits } from "../contract/bundle.ts";
import { Digest } from "../contract/ids.ts";
import { Problem } from "../contract/problem.ts";
import type { Corridor } from "../run/run.ts";
import { checked, fieldProblem } from "./field-problems.ts";
import type { Ctx } from "./front.ts";
import { capped, isForm, readParts, shownPart } from "./multipart.ts";
import type { Patience } from "./read-body.ts";

/** An upload of a bundle, as it came. */
export type BundleForm = BundleSource & { name: string; contentHash?: string | undefined };

/** Of a part that is a word: far more than any name or digest. */
const wordBytes = 1024;

/** The parts that there may be. */
const partNames = ["name", "bundle", "content", "contentHash"] as const;
type PartName = (typeof partNames)[number];

/** The whole body: a zip, a few words, and what is around them. */
const formBytes = bundleLimits.packedBytes + 64 * 1024;

/**
 * Reads the upload of a bundle: the parts `name`, `bundle` and, if wanted, `contentHash`, in any order; with `takesText`,
 * `content` may stand in place of `bundle`. The zip goes straight to the store. Throws `unsupported_media_type`,
 * `invalid_request` or `payload_too_large`.
 */
export async function readBundleForm(
  c: Ctx,
  front: { corridor: Pick<Corridor, "upload"> } & Patience,
  { takesText }: { takesText: boolean },
): Promise<BundleForm> {
  const type = c.req.header("content-type");
  if (!isForm(type)) {
    const found = type === undefined ? "(none)" : JSON.stringify(type.slice(0, 100));
    const message = `Cannot read a body of type ${found}: expected multipart/form-data`;
    throw new Problem("unsupported_media_type", message);
  }
  const taken = partNames.filter((name) => takesText || name !== "content");
  const words = new Map<PartName, string>();
  let zip: { sha256: string; bytes: number } | undefined;
  const take = async (given: string | undefined, part: Readable): Promise<void> => {
    const name = taken.find((one) => one === given);
    const shown = shownPart(given);
    if (name === undefined) {
      const wanted = taken.map((one) => JSON.stringify(one)).join(", ");
      throw new Problem("invalid_request", `The form has a part ${shown}: expected ${wanted}`);
    }
    if (words.has(name) || (name === "bundle" && zip !== undefined)) {
      throw new Problem("invalid_request", `The part ${shown} comes twice`, { duplicate: name });
    }
    const most = name === "bundle" || name === "content" ? bundleLimits.packedBytes : wordBytes;
    if (name === "bundle") zip = await front.corridor.upload(capped(part, most, shown), most);
    else words.set(name, await readText(part, most, name));
  };
  await readParts(c.req.raw, { parts: partNames.length, bytes: formBytes }, front, take);
  const name = checked(BundleName, words.get("name"), "part name");
  const hash = words.get("contentHash");
  const contentHash = hash === undefined ? undefined : checked(Digest, hash, "part contentHash");
  return { ...sourceOf(zip, words.get("content"), takesText), name, contentHash };
}

function sourceOf(
  zip: { sha256: string; bytes: number } | undefined,
  text: string | undefined,
  takesText: boolean,
): BundleSource {
  if (zip !== undefined && text !== undefined) {
    throw fieldProblem("content", 'stands beside the part "bundle"; expected one of the two');
  }
  if (zip !== undefined) return { zip };
  if (text === undefined) {
    const message = takesText
      ? 'The form has no part "bundle" or "content"'
      : 'The form has no part "bundle"';
    throw new Problem("invalid_request", message);
  }
  if (text.trim() === "") throw fieldProblem("content", "must not be blank");
  return { text };
}

async function readText(part: Readable, most: number, name: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of capped(part, most, JSON.stringify(name))) chunks.push(chunk);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw fieldProblem(name, "expected UTF-8 text");
  }
}
