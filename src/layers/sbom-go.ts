import { packageOf, type Sign } from "./package-found.ts";

const download = /(?:^|\/)cache\/download\/(.+)\/@v\/([^/]+)\.(info|mod|zip)$/;
const unpacked = /^(?:(?:.*\/)?pkg\/mod\/)?((?:[^/@]+\/)*[^/@]+)@(v[0-9][^/@]*)$/;

/**
 * Modules of a module cache: downloads, and directories that were unpacked from them. A module of which only its
 * `go.mod` was fetched is not present; the choice of versions has looked at it.
 */
export function goSign(path: string, isDirectory: boolean): Sign {
  const found = isDirectory ? unpacked.exec(path) : download.exec(path);
  if (found === null) return undefined;
  const [, module = "", version = "", extension] = found;
  // The first name of a module is a host; `.pnpm/x@v1` is something else.
  if (isDirectory && !/^[^./][^/]*\./.test(module)) return undefined;
  const [name, number] = [unescaped(module), unescaped(version)];
  const named = packageOf("golang", name, number, isDirectory || extension === "zip");
  return named === undefined ? "unreadable" : { package: named };
}

/** `!x` stands for `X` on disks that do not tell them apart. */
function unescaped(text: string): string | undefined {
  if (/[A-Z]|!(?![a-z])/.test(text)) return undefined;
  return text.replace(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
