import { packageOf, type Sign } from "./package-found.ts";

/** Installed distributions: `x.dist-info/METADATA`, and what came before it, `x.egg-info` as a file or with PKG-INFO. */
export function pythonSign(path: string): Sign {
  if (!/\.(?:dist-info\/METADATA|egg-info(?:\/PKG-INFO)?)$/.test(path)) return undefined;
  return { read: readMetadata, optional: false };
}

/** The fields stand above the first empty line; below it is a text that anybody wrote. */
function readMetadata(text: string) {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? "";
  const field = (name: string) =>
    new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*\\r?$`, "im").exec(head)?.[1];
  return packageOf("pypi", field("Name"), field("Version"));
}
