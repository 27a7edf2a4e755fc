import { here, hostAt, hostOfUrl, isLocal, looksLikeHost } from "./hosts.ts";
import type { Places } from "./shell-words.ts";
import { hole } from "./value.ts";

/** Ports that programs mean when they are told none. */
const ports: Readonly<Record<string, number>> = {
  ssh: 22,
  scp: 22,
  sftp: 22,
  rsync: 22,
  mosh: 22,
  "ssh-keyscan": 22,
  "ssh-copy-id": 22,
  sshfs: 22,
  telnet: 23,
  ftp: 21,
  tftp: 69,
  whois: 43,
  psql: 5432,
  mysql: 3306,
  "redis-cli": 6379,
  mongosh: 27017,
};

/** Options whose word is no place. */
const beside =
  /^(-[oOdFHXuAebcTKwCimtlLDRJEGUV]|--(output|data|data-raw|data-binary|form|header|request|user|user-agent|referer|cookie|max-time|retry|connect-timeout|output-document|cacert|cert|key|range|write-out|upload-file|branch|depth|origin))$/;

/** The hosts among the words of a network program: null for one that is not known, `here`; nothing without any. */
export function placesOf(
  program: string,
  how: Places,
  words: readonly string[],
): (string | null)[] {
  const found: (string | null)[] = [];
  const bare: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const url = hostOfUrl(word.replace(/^--?[\w-]+=/, ""));
    if (url !== undefined) found.push(url);
    else if (beside.test(word)) {
      const next = hostOfUrl(words[at + 1] ?? "");
      if (next !== undefined && how !== "git") found.push(next);
      at += 1;
    } else if (!word.startsWith("-")) bare.push(word);
  }
  if (how === "hosts") found.push(...hostWords(program, words, bare));
  if (how === "copies" || how === "git") found.push(...remoteWords(bare));
  if (how === "urls") {
    for (const word of bare)
      found.push(...place(word.split("/")[0] ?? "", program === "ftp" ? 21 : 80));
  }
  if (found.length === 0 && how === "git") return gitDefault(bare);
  return [...new Set(found)];
}

/** A word of which it is known that it stands for a host. */
function place(word: string, port: number | null): (string | null)[] {
  if (word.includes(hole)) return [null];
  const name = word.slice(word.lastIndexOf("@") + 1);
  if (isLocal(name.replace(/:\d+$/, ""))) return [here];
  const alone = name.replace(/:\d{1,5}$/, "");
  if (!looksLikeHost(alone) && !/^[\w-]+:\d{2,5}$/.test(name)) return [];
  const host = hostAt(name.includes("::") && !name.startsWith("[") ? `[${name}]` : name, port);
  return host === undefined ? [] : [host];
}

function hostWords(program: string, words: readonly string[], bare: readonly string[]) {
  const option = (pattern: RegExp) => words[words.findIndex((word) => pattern.test(word)) + 1];
  if (program === "socat") {
    return words.flatMap((word) => {
      const address =
        /^(?:tcp|udp|openssl|ssl|sctp)[46]?(?:-connect|-sendto|-datagram)?:([^,]+)/i.exec(word);
      return address === null ? [] : place(address[1] ?? "", null);
    });
  }
  const flagged = words.some((word) => /^(-h|--host)$/.test(word))
    ? option(/^(-h|--host)$/)
    : undefined;
  const asked = words.some((word) => /^-p$/.test(word))
    ? option(/^-p$/)
    : bare.find((word) => /^\d{1,5}$/.test(word));
  const port =
    asked !== undefined && /^\d{1,5}$/.test(asked) ? Number(asked) : (ports[program] ?? null);
  const servers = bare.filter((word) => word.startsWith("@")).map((word) => `${word.slice(1)}:53`);
  const hosts = flagged === undefined ? bare : [flagged, ...bare];
  return [
    ...servers,
    ...hosts.filter((word) => !word.startsWith("@") || servers.length === 0),
  ].flatMap((word) => {
    const single = program === "ssh" || program === "nc" || program === "telnet";
    const found = place(word, port);
    // ssh knows names of its own.
    if (found.length === 0 && single && word === bare[0] && /^[\w.@-]*[a-z][\w.@-]*$/i.test(word))
      return [null];
    return found;
  });
}

/** `user@host:path`, as scp, rsync and git write it. */
function remoteWords(bare: readonly string[]): (string | null)[] {
  return bare.flatMap((word) => {
    const match = /^(?:[^\s@/]+@)?(\[[^\]]+\]|[^\s:/@]+):(?!\/\/)/.exec(word);
    return match === null
      ? []
      : place(match[1] ?? "", 22).concat(looksLikeHost(match[1] ?? "") ? [] : [null]);
  });
}

/** A repository beside the script is no place; without any word git goes where its configuration says. */
function gitDefault(bare: readonly string[]): (string | null)[] {
  const [verb, ...rest] = bare;
  const isLocalPath =
    verb === "clone" && rest.length > 0 && /^(\.{0,2}\/|[\w.-]+$)/.test(rest[0] ?? "");
  return isLocalPath && !(rest[0] ?? "").includes(hole) ? [here] : [];
}
