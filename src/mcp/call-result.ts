import { z } from "zod";
import { canonicalJson } from "../base/canonical-json.ts";
import { isDeeper } from "../base/is-deeper.ts";
import { limits } from "../base/limits.ts";
import { clip, McpError } from "./mcp-error.ts";

/** Bytes that a result brings. */
export interface CallFile {
  bytes: Buffer;
  mimeType: string;
}

/** What a tool of a server answered, taken apart. */
export interface CallResult {
  /** The server says that the call failed. */
  failed: boolean;
  text: string;
  structured: unknown;
  files: CallFile[];
  /** Things that the server would give when asked for them. */
  links: { uri: string; name: string }[];
}

const Result = z.object({
  resultType: z.string().optional(),
  isError: z.boolean().nullish(),
  content: z.array(z.record(z.string(), z.unknown())).nullish(),
  structuredContent: z.unknown().optional(),
});

const Part = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.enum(["image", "audio"]), data: z.string(), mimeType: z.string().optional() }),
  z.object({ type: z.literal("resource_link"), uri: z.string(), name: z.string().optional() }),
  z.object({
    type: z.literal("resource"),
    resource: z.union([
      z.object({ uri: z.string(), text: z.string() }),
      z.object({ uri: z.string(), blob: z.string(), mimeType: z.string().optional() }),
    ]),
  }),
]);

/** Reads the result of `tools/call`. A part of an unknown kind is shown as JSON. Throws `protocol` and `too_large`. */
export function readCallResult(given: Record<string, unknown>): CallResult {
  const parsed = Result.safeParse(given);
  if (!parsed.success) throw new McpError("protocol", "The server's result is no result of a tool");
  const { resultType = "complete", isError, content, structuredContent } = parsed.data;
  if (resultType !== "complete") {
    const what = JSON.stringify(clip(resultType, 60));
    const message = `The server answered ${what} in place of a result: it wants something from a person, which cannot be given here`;
    throw new McpError("protocol", message);
  }
  const texts: string[] = [];
  const files: CallFile[] = [];
  const links: CallResult["links"] = [];
  for (const one of content ?? []) {
    const part = Part.safeParse(one);
    if (!part.success) texts.push(JSON.stringify(one));
    else if (part.data.type === "text") texts.push(part.data.text);
    else if (part.data.type === "resource_link") {
      const { uri, name = "" } = part.data;
      links.push({ uri: clip(uri, 2_048), name: clip(name, 200) });
    } else if (part.data.type === "resource") {
      const { resource } = part.data;
      if ("text" in resource) texts.push(resource.text);
      else files.push(fileOf(resource.blob, resource.mimeType));
    } else files.push(fileOf(part.data.data, part.data.mimeType));
  }
  if (files.length > limits.mcpFiles || links.length > limits.mcpFiles) {
    throw new McpError(
      "too_large",
      `The result brings more than ${limits.mcpFiles} files or links`,
    );
  }
  const text = texts.join("\n").toWellFormed();
  return {
    ...{ failed: isError === true, structured: structuredContent, files, links },
    text: isSame(text, structuredContent) ? "" : text,
  };
}

/** Servers say what is structured once more as text, for older clients. */
function isSame(text: string, structured: unknown): boolean {
  if (structured === undefined || !/^\s*[[{]/.test(text)) return false;
  try {
    const parsed = JSON.parse(text);
    if (isDeeper(parsed, limits.requestJsonDepth)) return false;
    return canonicalJson(parsed) === canonicalJson(structured);
  } catch (error) {
    // It is a text of its own.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function fileOf(base64: string, mimeType = "application/octet-stream"): CallFile {
  return { bytes: Buffer.from(base64, "base64"), mimeType: clip(mimeType, 100) };
}
