import type { Readable } from "node:stream";
import type { z } from "zod";
import { limits } from "../base/limits.ts";
import { bundleLimits } from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";
import { RunSubmission } from "../contract/submission.ts";
import type { Corridor } from "../run/run.ts";
import { checked, refuseFaults } from "./field-problems.ts";
import type { Ctx, Front } from "./front.ts";
import { capped, isForm, readParts, shownPart } from "./multipart.ts";
import { type Patience, parseJson, readJsonBody } from "./read-body.ts";

/** What came as parts of their own, by the name of the part, already stored. */
export type Uploads = Map<string, { sha256: string; bytes: number }>;

/** A submission of which some may come as parts: files as they are, bundles packed as a zip. */
export interface WithParts {
  files?: readonly object[] | undefined;
  skills?: readonly object[] | undefined;
  agentsMd?: readonly object[] | undefined;
}

/** What the name of a part begins with, and how large one may be. */
const partKinds = {
  files: { prefix: "file", bytes: limits.inputFileBytes },
  skills: { prefix: "skill", bytes: bundleLimits.packedBytes },
  agentsMd: { prefix: "agentsmd", bytes: bundleLimits.packedBytes },
} as const satisfies Record<keyof WithParts, { prefix: string; bytes: number }>;

export interface Form<Submission extends WithParts> {
  submission: Submission;
  uploads: Uploads;
}

const partName = /^(file|skill|agentsmd):[A-Za-z0-9_-]{1,64}$/;

/**
 * Reads a multipart submission of the given schema. File parts go straight to the store. The part `submission` may come at
 * any place. Throws `invalid_request` or `payload_too_large`; nothing is being written any more when it does.
 */
async function readForm<Submission extends WithParts>(
  request: Request,
  schema: z.ZodType<Submission>,
  corridor: Corridor,
  patience: Patience,
): Promise<Form<Submission>> {
  const found: Found<Submission> = { uploads: new Map() };
  const most = {
    parts: limits.inputFiles + 1,
    bytes: limits.inputTotalBytes + limits.requestJsonBytes,
  };
  await readParts(request, most, patience, (name, part) =>
    takePart(name, part, { found, schema, corridor }),
  );
  if (found.submission === undefined) {
    throw new Problem("invalid_request", 'The form has no part "submission"');
  }
  return { submission: found.submission, uploads: found.uploads };
}

interface Found<Submission extends WithParts> {
  submission?: Submission;
  uploads: Uploads;
}

async function takePart<Submission extends WithParts>(
  name: string | undefined,
  part: Readable,
  into: { found: Found<Submission>; schema: z.ZodType<Submission>; corridor: Corridor },
): Promise<void> {
  const { found, schema, corridor } = into;
  const shown = shownPart(name);
  if (name === "submission") {
    if (found.submission) throw new Problem("invalid_request", `The part ${shown} comes twice`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of capped(part, limits.requestJsonBytes, shown)) chunks.push(chunk);
    found.submission = checkedOf(schema, parseJson(Buffer.concat(chunks)), "submission");
    return;
  }
  const prefix = partName.exec(name ?? "")?.[1];
  if (name === undefined || prefix === undefined) {
    throw new Problem(
      "invalid_request",
      `The form has a part ${shown}: expected "submission", "file:<slot>", "skill:<slot>" or "agentsmd:<slot>"`,
    );
  }
  if (found.uploads.has(name)) {
    throw new Problem("invalid_request", `The part ${shown} comes twice`, { duplicate: name });
  }
  if (found.submission) refuseExtra(found.submission, [name]);
  const max = Object.values(partKinds).find((kind) => kind.prefix === prefix)?.bytes ?? 0;
  found.uploads.set(name, await corridor.upload(capped(part, max, shown), max));
}

/** The parts that a submission asks for, each with the field that does. */
function wantedParts(submission: WithParts): { part: string; field: string }[] {
  return (["files", "skills", "agentsMd"] as const).flatMap((list) =>
    (submission[list] ?? []).flatMap((one, index) => {
      if (!("slot" in one) || typeof one.slot !== "string") return [];
      const part = `${partKinds[list].prefix}:${one.slot}`;
      return [{ part, field: `${list}[${index}].slot` }];
    }),
  );
}

/** Holds the slots of a submission against the parts that came: each exactly once, and nothing else. */
function checkSlots({ submission, uploads }: Form<WithParts>): void {
  const seen = new Set<string>();
  const missing: string[] = [];
  for (const { part, field } of wantedParts(submission)) {
    if (seen.has(part)) {
      throw new Problem(
        "invalid_request",
        `Cannot use ${field} "${part.slice(part.indexOf(":") + 1)}": another file has the same slot`,
        { fields: [{ path: field, message: "another file has the same slot" }] },
      );
    }
    seen.add(part);
    if (!uploads.has(part)) missing.push(part);
  }
  if (missing.length > 0) {
    throw new Problem("invalid_request", `The request lacks the part ${listed(missing)}`, {
      missing,
    });
  }
  refuseExtra(submission, [...uploads.keys()]);
}

function refuseExtra(submission: WithParts, parts: string[]): void {
  const wanted = new Set(wantedParts(submission).map(({ part }) => part));
  const extra = parts.filter((part) => !wanted.has(part));
  if (extra.length === 0) return;
  const lists = "files[].slot, skills[].slot or agentsMd[].slot";
  throw new Problem("invalid_request", `No ${lists} asks for the part ${listed(extra)}`, {
    extra,
  });
}

function listed(names: string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  return names.length > 5 ? `${shown.join(", ")} and ${names.length - 5} more` : shown.join(", ");
}

/** A run's submission is looked through for credentials in the wrong place first. */
function checkedOf<Submission>(
  schema: z.ZodType<Submission>,
  value: unknown,
  where: string,
): Submission {
  if (Object.is(schema, RunSubmission)) refuseFaults(value, where);
  return checked(schema, value, where);
}

/** Reads a submission, as JSON or as a multipart form, and holds its slots against the parts that came. */
export async function readSubmission<Submission extends WithParts>(
  c: Ctx,
  schema: z.ZodType<Submission>,
  front: Pick<Front, "corridor"> & Patience,
): Promise<Form<Submission>> {
  const form = isForm(c.req.header("content-type"))
    ? await readForm(c.req.raw, schema, front.corridor, front)
    : {
        submission: checkedOf(schema, await readJsonBody(c.req.raw, front), "body"),
        uploads: new Map(),
      };
  checkSlots(form);
  return form;
}
