import { isUtf8 } from "node:buffer";
import { z } from "zod";
import {
  type ContentVersion,
  type ContentView,
  contentAlias,
  contentView,
} from "../content/content.ts";
import { failure, type Tool, type ToolContext, type ToolOutcome } from "./tool.ts";

/** What one call shows: a model's context is dearer than another call. */
const shownBytesMax = 256 * 1024;

const ContentRead = z.strictObject({
  name_or_handle: z.string().min(1).describe("A file name, a handle sha256:…, or an alias cnt_…"),
  offset: z.int().min(0).optional().describe("First byte to show; default 0"),
  limit: z.int().min(4).max(shownBytesMax).optional().describe("Bytes to show at most"),
});
type ContentRead = z.infer<typeof ContentRead>;

export const contentRead: Tool<ContentRead> = {
  name: "content_read",
  description:
    "Reads a file that was written with content_write, that came with the agent (skills/…, scripts/…), or of a skill that you were given (skills/NAME/SKILL.md), as it was written: changes that commands made to their copy in /tmp are not in it.",
  input: ContentRead,
  repeatable: true,
  capability: "ReadAccess",
  wants: ({ name_or_handle }) => ({ type: "ReadAccess", name: name_or_handle }),

  async run(args, context) {
    const view = contentView(await context.content(), context.runId);
    const found = view.find(args.name_or_handle);
    switch (found.type) {
      case "found":
        return shown(found.content, `/tmp/${found.content.name}`, args, context);
      case "ambiguous":
        return {
          result: failure(
            "validation",
            `${args.name_or_handle} stands for more than one content`,
            "Use one of the handles",
            { candidates: found.candidates.map(({ name, sha256 }) => ({ name, handle: sha256 })) },
          ),
        };
      case "not_found":
        return notContent(args, context, view, found.suggestions);
    }
  },
};

/** What comes with the agent, and the skills that the run was given, after all that was written under the same name. */
async function notContent(
  args: ContentRead,
  context: ToolContext,
  view: ContentView,
  suggestions: readonly string[],
): Promise<ToolOutcome> {
  const name = args.name_or_handle;
  const own = context.agentFiles.find(({ path }) => path === name);
  if (own) return shown({ ...own, name: own.path }, `/airlock/agent/${own.path}`, args, context);
  const skills = await context.skillFiles();
  const given = skills.find(({ path }) => path === name);
  if (given) return shown({ ...given, name }, given.place, args, context);
  const close = [...suggestions, ...closeTo(name, skills)].slice(0, suggestionsMost);
  const available = [
    ...view.current.map((content) => content.name),
    ...[...context.agentFiles, ...skills].map(({ path }) => path),
  ];
  return {
    result: failure(
      "resource",
      `There is no content ${JSON.stringify(name)}`,
      close.length > 0
        ? `Did you mean ${close.join(" or ")}?`
        : "Content is what was written with content_write; read other files with sandbox_exec and cat",
      { error: "content_not_found", available: available.slice(0, 50) },
    ),
  };
}

const suggestionsMost = 5;

/** Files of skills that end in the same name, and those beside the place that was asked for. */
function closeTo(name: string, skills: readonly { path: string }[]): string[] {
  const [, skill] = name.split("/");
  const base = name.split("/").at(-1);
  const paths = skills.map(({ path }) => path);
  const same = paths.filter((path) => path.split("/").at(-1) === base);
  const beside = paths.filter((path) => path.startsWith(`skills/${skill}/`));
  return [...new Set([...same, ...beside])];
}

async function shown(
  content: Pick<ContentVersion, "name" | "sha256">,
  place: string,
  { offset = 0, limit = shownBytesMax }: ContentRead,
  { blobs }: ToolContext,
): Promise<ToolOutcome> {
  const bytes = await blobs.get(content.sha256);
  if (!isUtf8(bytes)) {
    return {
      result: failure(
        "validation",
        `${content.name} is not text`,
        `Look at it with sandbox_exec: it is at ${place}`,
      ),
    };
  }
  const start = characterStart(bytes, Math.min(offset, bytes.length));
  const end = characterStart(bytes, Math.min(start + limit, bytes.length));
  return {
    result: {
      ok: true,
      content: bytes.toString("utf8", start, end),
      name: content.name,
      handle: content.sha256,
      alias: contentAlias(content.sha256),
      total_bytes: bytes.length,
      ...(end < bytes.length ? { truncated: true, next_offset: end } : {}),
    },
  };
}

/** Steps back to where a character starts, so that a page never begins or ends inside one. */
function characterStart(bytes: Buffer, at: number): number {
  let start = at;
  while (start > 0 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  return start;
}
