import { limits } from "../base/limits.ts";
import { contentAlias } from "../content/content.ts";
import { type CallFile, readCallResult } from "../mcp/mcp.ts";
import { failure, type ToolContext, type ToolOutcome } from "../tools/tools.ts";

type Written = NonNullable<ToolOutcome["content"]>[number];
type Kept = Pick<ToolContext, "callId" | "cleaner" | "holdsSecret"> & {
  blobs: Pick<ToolContext["blobs"], "put">;
};

/**
 * What the model is told of a server's result, and the content that is made of it: files, and what is too long to be
 * shown at once. Secrets of the run that a server repeats are cut out of texts, and a file that holds one is not kept (I6).
 */
export async function mcpOutcome(
  server: string,
  given: Record<string, unknown>,
  context: Kept,
): Promise<ToolOutcome> {
  const { failed, text, structured, files, links } = readCallResult(given);
  const shelf = openShelf(server, context);
  const told: Record<string, unknown> = { server };
  if (text !== "" || structured === undefined) {
    const head = await shelf.text(text, "text/plain");
    told.text = head.shown;
    if (head.rest) told.whole_text = head.rest;
  }
  if (structured !== undefined) {
    const head = await shelf.text(JSON.stringify(structured, null, 2), "application/json");
    if (head.rest) told.structured_content_in = head.rest;
    else told.structured_content = structured;
  }
  const kept = [];
  for (const file of files) kept.push(await shelf.file(file));
  if (kept.length > 0) told.files = kept;
  if (links.length > 0) told.links = links;
  const { written } = shelf;
  const content = written.length > 0 ? { content: written } : {};
  if (!failed) return { result: { ok: true, ...told }, ...content };
  const { text: message, ...rest } = told;
  const hint = "It is the server's own word: call again with other arguments, or do without it";
  const said = typeof message === "string" && message !== "" ? message : "It does not say why";
  const sentence = `The MCP server ${server} says that the call failed: ${said}`;
  return { result: failure("execution", sentence, hint, rest), ...content };
}

/** Puts what does not fit into a result among the run's content, private to the run. */
function openShelf(server: string, { blobs, callId, cleaner, holdsSecret }: Kept) {
  const written: Written[] = [];

  async function put(bytes: Uint8Array, mimeType: string): Promise<Record<string, unknown>> {
    const at = written.length === 0 ? "" : `-${written.length + 1}`;
    const name = `mcp/${server}/${callId}${at}.${extensions.get(mimeType) ?? "bin"}`;
    const { sha256, bytes: size } = await blobs.put(bytes);
    written.push({ name, visibility: "private", sha256, bytes: size });
    return { name, handle: sha256, alias: contentAlias(sha256), bytes: size, mime_type: mimeType };
  }

  return {
    written,
    /** The text, or its head and where the whole is. */
    async text(text: string, mimeType: string) {
      const bytes = Buffer.from(text);
      if (bytes.length <= limits.mcpShownBytes) return { shown: text, rest: undefined };
      const clean = cleaner();
      const whole = Buffer.concat([clean.push(bytes), clean.end()]);
      const rest = await put(whole, mimeType);
      // Cut after the secrets were: half of one would not be found.
      const shown = new TextDecoder().decode(whole.subarray(0, limits.mcpHeadBytes));
      return { shown: `${shown.replace(/\uFFFD$/, "")}…`, rest };
    },
    async file({ bytes, mimeType }: CallFile) {
      const plain = mimeType.split(";")[0]?.trim().toLowerCase() ?? "";
      if (!holdsSecret(bytes)) return put(bytes, plain);
      return { withheld: "contains_secret", bytes: bytes.length, mime_type: plain };
    },
  };
}

const extensions = new Map([
  ["application/json", "json"],
  ["application/pdf", "pdf"],
  ["application/zip", "zip"],
  ["audio/mpeg", "mp3"],
  ["audio/wav", "wav"],
  ["image/gif", "gif"],
  ["image/jpeg", "jpg"],
  ["image/png", "png"],
  ["image/svg+xml", "svg"],
  ["image/webp", "webp"],
  ["text/csv", "csv"],
  ["text/html", "html"],
  ["text/markdown", "md"],
  ["text/plain", "txt"],
]);
