import { contentView } from "../content/content.ts";
import type { ToolContext } from "./tool.ts";

type Read = (name: string) => Promise<string | undefined>;

/**
 * Whether all that a command installs is fixed by hashes in a lock that lies in `/tmp` as content. Only commands of
 * which nothing else can be meant are recognised; what is not, is out of date after a day.
 */
export async function isPinned(
  command: string,
  context: Pick<ToolContext, "content" | "blobs" | "runId">,
): Promise<boolean> {
  const view = contentView(await context.content(), context.runId);
  const read: Read = async (name) => {
    const found = view.current.find((one) => one.name === name);
    return found && (await context.blobs.get(found.sha256)).toString("utf8");
  };
  const steps = command.trim().split(/\s*&&\s*/);
  const installs = steps.filter((step) => !/^(cd \/tmp|mkdir -p [\w./-]+)$/.test(step));
  const [install] = installs;
  if (install === undefined || installs.length > 1) return false;
  // A shell could mean anything else by these.
  if (/[;&|`$<>()\n\\"'*?[\]{}~#]/.test(install)) return false;
  const words = install.split(/\s+/);
  return (
    (await isPinnedPip(words, read)) ||
    (await isPinnedNpm(words, read)) ||
    (await isPinnedOther(words, read))
  );
}

async function isPinnedPip(words: string[], read: Read): Promise<boolean> {
  const start = words[0] === "python3" && words[1] === "-m" ? words.slice(2) : words;
  if (start[0] !== "pip" && start[0] !== "pip3") return false;
  if (start[1] !== "install" && start[1] !== "download") return false;
  const at = start.findIndex((word) => word === "-r" || word === "--requirement");
  const name = start[at + 1];
  if (at < 0 || name === undefined) return false;
  // Whatever is named beside the file has no hash.
  const others = start.slice(2).filter((word, index, all) => {
    const isValue = ["-r", "--requirement", "--target", "-t"].includes(all[index - 1] ?? "");
    return !word.startsWith("-") && !isValue;
  });
  const text = await read(name.replace(/^(\.\/|\/tmp\/)/, ""));
  return others.length === 0 && text !== undefined && hasHashes(text);
}

/** Every requirement has a hash; a line may go on over a backslash. */
function hasHashes(text: string): boolean {
  const lines = text.replaceAll(/\\\r?\n/g, " ").split(/\r?\n/);
  const wanted = lines.map((line) => line.replace(/(^|\s)#.*$/, "").trim()).filter(Boolean);
  const named = wanted.filter((line) => line !== "--require-hashes");
  return (
    named.length > 0 && named.every((line) => /\s--hash=sha(256|384|512):[0-9a-f]+/.test(line))
  );
}

async function isPinnedNpm(words: string[], read: Read): Promise<boolean> {
  if (words[0] !== "npm" || words[1] !== "ci") return false;
  const text = await read("package-lock.json");
  if (text === undefined) return false;
  try {
    const { packages } = JSON.parse(text) as { packages?: Record<string, Record<string, unknown>> };
    return Object.entries(packages ?? {}).every(
      ([path, entry]) => path === "" || entry.link === true || typeof entry.integrity === "string",
    );
  } catch {
    return false;
  }
}

async function isPinnedOther(words: string[], read: Read): Promise<boolean> {
  const line = words.join(" ");
  if (line === "go mod download") return (await read("go.sum")) !== undefined;
  if (line !== "cargo fetch --locked") return false;
  const lock = await read("Cargo.lock");
  if (lock === undefined) return false;
  const packages = lock.split("[[package]]").slice(1);
  return packages.every((one) => !one.includes("source =") || one.includes("checksum ="));
}
