import { domainToASCII, domainToUnicode } from "node:url";
import { lookalikeScripts, spellLine } from "./spell.ts";

const isLatin = /\p{Script=Latin}/u;

export interface ShownHost {
  /** As it is looked up, and as it looks where that is another way: `xn--…:443  (looks like …)`. */
  text: string;
  /** Why it may not be the host that it seems to be. */
  warning: string | undefined;
}

/** A host with its port, `host:port`, as a person must see it who lets a call reach it. */
export function showHost(hostAndPort: string): ShownHost {
  const [host = "", port] = splitPort(hostAndPort);
  if (host === "*") return { text: "any public host", warning: "It will reach any public host" };
  const pattern = host.startsWith("*.") ? "*." : "";
  const name = host.slice(pattern.length);
  const ascii = domainToASCII(name) || name;
  const unicode = domainToUnicode(ascii) || name;
  const looked = spellLine(`${pattern}${ascii}${port}`);
  if (unicode === ascii && /^[\x20-\x7e]*$/.test(name)) return { text: looked, warning: undefined };
  const looks = spellLine(`${pattern}${unicode}`);
  return { text: `${looked}  (looks like ${looks})`, warning: warningOf(looks, looked, unicode) };
}

function warningOf(looks: string, looked: string, unicode: string): string {
  const scripts = lookalikeScripts(unicode).join(" and ");
  const labels = unicode.split(".");
  if (labels.some((label) => isLatin.test(label) && lookalikeScripts(label).length > 0)) {
    return `${looks} mixes Latin letters with ${scripts} ones: it is ${looked}`;
  }
  const letters = scripts === "" ? "characters beyond ASCII" : `${scripts} letters`;
  return `${looks} is written with ${letters}: it is ${looked}`;
}

function splitPort(text: string): [string, string] {
  const found = /^(.*?)(:\d{1,5})?$/su.exec(text);
  return [found?.[1] ?? text, found?.[2] ?? ""];
}
