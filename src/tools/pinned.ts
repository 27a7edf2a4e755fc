import { limits } from "../base/limits.ts";
import { contentView } from "../content/content.ts";
import type { Listing } from "../sandbox/sandbox.ts";
import type { ToolContext } from "./tool.ts";

type Read = (name: string) => Promise<string | undefined>;

/**
 * Whether all that a command installs is fixed by hashes in a lock that lies in `/tmp` as content. Only commands of
 * which nothing else can be meant are recognised; what is not, is out of date after a day. `before` is what lay in the
 * run's directories: a lock that the run changed there is not the one that was written as content.
 */
export async function isPinned(
  command: string,
  before: Listing,
  context: Pick<ToolContext, "content" | "blobs" | "runId">,
): Promise<boolean> {
  const view = contentView(await context.content(), context.runId);
  const read: Read = async (name) => {
    const found = view.current.find((one) => one.name === name);
    const placed = before.get(`/tmp/${Buffer.from(name).toString("latin1")}`);
    if (found === undefined || `sha256:${placed?.sha256}` !== found.sha256) return undefined;
    return (await context.blobs.get(found.sha256)).toString("utf8");
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
    (!before.has("/tmp/npm-shrinkwrap.json") && (await isPinnedNpm(words, read))) ||
    (await isPinnedGo(words, read)) ||
    (await isPinnedCargo(words, read))
  );
}

/** As `isPinned`, of what lies in the run's directories now. False when that is more than is worth reading. */
export async function isPinnedBuild(command: string, context: ToolContext): Promise<boolean> {
  const most = { entries: limits.buildInputEntries, bytes: limits.buildInputBytes };
  const now = context.sandbox.list(context.place, most, await context.surroundings([]));
  return now !== undefined && isPinned(command, now, context);
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

/** What may stand beside `npm ci` without another directory, lock or source being meant. */
const npmOptions =
  /^(ci|--prefix=\/tmp|--ignore-scripts|--no-(audit|fund)|--(omit|include)=[a-z]+)$/;

async function isPinnedNpm(words: string[], read: Read): Promise<boolean> {
  const [npm, ci, ...options] = words
    .join(" ")
    .replace("--prefix /tmp", "--prefix=/tmp")
    .split(" ");
  if (npm !== "npm" || ci !== "ci") return false;
  if (!options.every((option) => npmOptions.test(option))) return false;
  const text = await read("package-lock.json");
  if (text === undefined) return false;
  let packages: Record<string, Record<string, unknown>> | undefined;
  try {
    packages = (JSON.parse(text) as { packages?: typeof packages } | null)?.packages;
  } catch {
    return false;
  }
  // Locks of an older kind have no such member, and nothing here that could be looked at.
  if (typeof packages !== "object" || packages === null) return false;
  const runsNothing = options.includes("--ignore-scripts");
  return Object.entries(packages).every(
    ([path, entry]) =>
      path === "" ||
      entry.link === true ||
      // What a script of a package fetches has no hash here.
      (typeof entry.integrity === "string" && (runsNothing || entry.hasInstallScript !== true)),
  );
}

async function isPinnedGo(words: string[], read: Read): Promise<boolean> {
  const [start, options] = [words.slice(0, 3), words.slice(3)];
  if (start.join(" ") !== "go mod download") return false;
  if (!options.every((option) => option === "-modcacherw" || option === "-x")) return false;
  const [modules, sums] = [await read("go.mod"), await read("go.sum")];
  if (modules === undefined || sums === undefined || /^\s*replace\b/m.test(modules)) return false;
  const wanted = modules.matchAll(/^\s*(?:require\s+)?([^\s()]+)\s+(v\d[^\s/]*)/gm);
  const lines = sums.split("\n");
  return [...wanted].every(([, path, version]) =>
    lines.some((line) => line.startsWith(`${path} ${version} h1:`)),
  );
}

async function isPinnedCargo(words: string[], read: Read): Promise<boolean> {
  if (words.join(" ") !== "cargo fetch --locked") return false;
  const lock = await read("Cargo.lock");
  if (lock === undefined) return false;
  const packages = lock.split("[[package]]").slice(1);
  return packages.every((one) => !one.includes("source =") || one.includes("checksum ="));
}
