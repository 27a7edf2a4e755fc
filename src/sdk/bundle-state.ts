import type { AgentsMdRecord, FileRecord, SkillRecord } from "../contract/bundle.ts";
import type { AgentsMdRef, FileRef, SkillRef } from "../contract/bundle-ref.ts";
import type { Bundle } from "./bundle.ts";
import type { BundleCalls } from "./bundle-calls.ts";
import { invalid } from "./bundle-name.ts";
import type { Signal } from "./transport.ts";

/** The three kinds: what a program calls one, where a client has them, what they look like on the wire and as a record. */
export interface BundleKinds {
  Skill: { field: "skills"; ref: SkillRef; record: SkillRecord };
  AgentsMd: { field: "agentsMd"; ref: AgentsMdRef; record: AgentsMdRecord };
  File: { field: "files"; ref: FileRef; record: FileRecord };
}
export type BundleNoun = keyof BundleKinds;
export type RefOf<Noun extends BundleNoun> = BundleKinds[Noun]["ref"];
export type RecordOf<Noun extends BundleNoun> = BundleKinds[Noun]["record"];

/** What uploading needs of a client. Without a look-up, every upload sends its bytes. */
export type BundleUploads<Row> = Pick<BundleCalls<Row>, "upload"> &
  Partial<Pick<BundleCalls<Row>, "findByHash">>;

/** A client, or the part of it that has bundles of the kind. */
export type UploadsOf<Noun extends BundleNoun> =
  | { readonly [Field in BundleKinds[Noun]["field"]]: BundleUploads<RecordOf<Noun>> }
  | BundleUploads<RecordOf<Noun>>;

/** The slot of what does not travel yet: a submission puts another one in its place. */
export const unstagedSlot = "(unstaged)";

/** What a bundle of a program is, and may still be used for. `Skill`, `AgentsMd` and `File` show it. */
export interface BundleState<Noun extends BundleNoun> {
  readonly ref: RefOf<Noun>;
  readonly record: RecordOf<Noun> | undefined;
  readonly name: string | undefined;
  readonly contentHash: string | undefined;
  readonly isUnstaged: boolean;
  readonly isConsumed: boolean;
  upload(client: UploadsOf<Noun>, options?: Signal): Promise<RecordOf<Noun>>;
  uploadIfChanged(client: UploadsOf<Noun>, options?: Signal): Promise<RecordOf<Noun>>;
  /** What travels with a submission, if anything has to. Throws once it was uploaded. */
  take(): Bundle | undefined;
  toJSON(): RefOf<Noun>;
}

export interface StateParts<Noun extends BundleNoun> {
  noun: Noun;
  field: BundleKinds[Noun]["field"];
  /** How one is made that can be uploaded, for messages. */
  factories: string;
  ref: RefOf<Noun>;
  record?: RecordOf<Noun> | undefined;
  /** Of what is not uploaded. */
  bundle?: Bundle;
}

/** What changes in the life of one. */
interface Life<Noun extends BundleNoun> extends Omit<StateParts<Noun>, "bundle"> {
  name: string | undefined;
  bundle: Bundle | undefined;
  isConsumed: boolean;
  underWay: { uploads: BundleUploads<RecordOf<Noun>>; done: Promise<RecordOf<Noun>> } | undefined;
}

/**
 * The rules of bundles, for all kinds: what was built here may be given to any number of submissions until an upload of it
 * succeeded. Then it is consumed, and says so wherever it is used: the workspace's own takes its place. A failed upload
 * leaves it as it was.
 */
export function openBundleState<Noun extends BundleNoun>(
  parts: StateParts<Noun>,
): BundleState<Noun> {
  const { noun, ref, record } = parts;
  Object.freeze(ref);
  const { name, contentHash }: Partial<Record<"kind" | "name" | "contentHash", string>> = {
    ...record,
    ...ref,
  };
  const life: Life<Noun> = {
    ...parts,
    name,
    bundle: parts.bundle,
    isConsumed: false,
    underWay: undefined,
  };
  return {
    ref,
    record,
    name,
    contentHash,
    get isUnstaged() {
      return life.bundle !== undefined;
    },
    get isConsumed() {
      return life.isConsumed;
    },
    upload: async (client, options) => uploading(life, "upload", client, options),
    uploadIfChanged: async (client, options) => uploading(life, "uploadIfChanged", client, options),
    take() {
      refuseConsumed(life);
      return life.bundle;
    },
    toJSON() {
      refuseConsumed(life);
      if (life.bundle === undefined) return ref;
      throw invalid(
        `Cannot make JSON of a ${noun} that is not uploaded: its bytes would be lost. Upload it and use the ${noun} that upload returns, or give it to submitRun as it is`,
      );
    },
  };
}

function refuseConsumed<Noun extends BundleNoun>({ isConsumed, noun, name }: Life<Noun>): void {
  if (!isConsumed) return;
  throw invalid(
    `This ${noun} ${JSON.stringify(name)} was uploaded and cannot be used again: use the ${noun} that the upload returned, or ${noun}.fromId(record.id)`,
  );
}

/** Two uploads at the same time would be two transfers of one bundle: the second joins the first. */
function uploading<Noun extends BundleNoun>(
  life: Life<Noun>,
  method: "upload" | "uploadIfChanged",
  client: UploadsOf<Noun>,
  options: Signal = {},
): Promise<RecordOf<Noun>> {
  refuseConsumed(life);
  const { noun, field, factories, bundle, name } = life;
  const where = `${noun}.${method}`;
  if (bundle === undefined || name === undefined) {
    throw invalid(
      `${where}: only what ${factories} made can be uploaded; one that the workspace has is named by ${noun}.fromId`,
    );
  }
  const uploads = uploadsOf<Noun>(where, field, client);
  if (life.underWay !== undefined) {
    if (life.underWay.uploads === uploads) return life.underWay.done;
    throw invalid(`${where}: it is being uploaded by another client`);
  }
  const send = async () => {
    const wanted = { name, contentHash: bundle.contentHash };
    const found = method === "upload" ? null : await uploads.findByHash?.(wanted, options);
    const kept =
      found ?? (await uploads.upload({ ...wanted, bundle: await bundle.zip() }, options));
    life.isConsumed = true;
    // Its bytes are needed no more.
    life.bundle = undefined;
    return kept;
  };
  const done = send().finally(() => {
    life.underWay = undefined;
  });
  life.underWay = { uploads, done };
  return done;
}

function uploadsOf<Noun extends BundleNoun>(
  where: string,
  field: BundleKinds[Noun]["field"],
  client: unknown,
): BundleUploads<RecordOf<Noun>> {
  const inside = (client as Record<string, unknown> | null | undefined)?.[field];
  for (const one of [inside, client]) {
    if (typeof (one as { upload?: unknown } | undefined)?.upload === "function") {
      return one as BundleUploads<RecordOf<Noun>>;
    }
  }
  throw invalid(`${where} takes the client, or its client.${field}`);
}
