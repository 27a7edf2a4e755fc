import { dirname, join } from "node:path";

import { type GitSetting, readGitConfig } from "./git-config.ts";
import { expandHome, type PackageFindings, type PackageSource } from "./package-findings.ts";

const taken =
  /^(?:http\.(?:.*\.)?(?:sslverify|version|postbuffer|lowspeedlimit|lowspeedtime)|protocol\..*)$/;
const secret =
  /^(?:http\.(?:.*\.)?(?:extraheader|cookiefile|sslkey|sslcert|emptyauth)|credential\..*)$/;

/**
 * git's files become its system file, so that `git config --global` still writes into the run's own home. Files that
 * another one includes are followed; conditional includes are not, because no condition is true for every run.
 */
export function readGit(source: PackageSource, findings: PackageFindings): void {
  const lines: string[] = [];
  const settings = [
    ...gitFiles(source).flatMap((path) => follow(source, path, 0)),
    ...fromVariables(source.env),
  ];
  for (const { where, section, subsection, key, value } of settings) {
    const name = [section, subsection, key].filter((part) => part !== undefined).join(".");
    const full = `${where}: ${section}${subsection === undefined ? "" : ".…"}.${key}`;
    if (secret.test(name)) findings.note(`${full} is a credential, which no sandbox is given`);
    if (section === "http" && key === "sslcainfo") findings.authority(value);
    if (section === "url" && subsection !== undefined && /^(?:push)?insteadof$/.test(key)) {
      const to = findings.location(full, subsection);
      lines.push(`[url ${quote(to)}]\n\t${key} = ${quote(cleanPrefix(value))}\n`);
    } else if (taken.test(name)) {
      const head =
        subsection === undefined ? section : `${section} ${quote(cleanPrefix(subsection))}`;
      lines.push(`[${head}]\n\t${key} = ${quote(value)}\n`);
    }
  }
  for (const path of [".git-credentials", ".netrc"].map((name) => join(source.home, name))) {
    if (source.readFile(path)) findings.note(`${path} holds logins, which no sandbox is given`);
  }
  if (lines.length === 0) return;
  findings.file("gitconfig", Buffer.from(lines.join("")));
  findings.set("GIT_CONFIG_SYSTEM", `${findings.mountedAt}/gitconfig`);
}

interface Found extends GitSetting {
  where: string;
}

function gitFiles({ env, home }: PackageSource): string[] {
  const system = env.GIT_CONFIG_SYSTEM || "/etc/gitconfig";
  const own = [`${env.XDG_CONFIG_HOME || `${home}/.config`}/git/config`, `${home}/.gitconfig`];
  return [
    ...(/^(?:1|true|yes|on)$/i.test(env.GIT_CONFIG_NOSYSTEM ?? "") ? [] : [system]),
    ...(env.GIT_CONFIG_GLOBAL ? [env.GIT_CONFIG_GLOBAL] : own),
  ];
}

function follow(source: PackageSource, path: string, depth: number): Found[] {
  const data = source.readFile(path);
  // git itself stops at ten, so that two files that include each other end.
  if (data === undefined || depth > 10) return [];
  return readGitConfig(data.toString("utf8")).flatMap((setting) => {
    const { section, subsection, key, value } = setting;
    if (section !== "include" || subsection !== undefined || key !== "path") {
      return [{ ...setting, where: path }];
    }
    const next = expandHome(value, source.home);
    return follow(source, next.startsWith("/") ? next : join(dirname(path), next), depth + 1);
  });
}

function fromVariables(env: PackageSource["env"]): Found[] {
  const count = /^\d{1,3}$/.test(env.GIT_CONFIG_COUNT ?? "") ? Number(env.GIT_CONFIG_COUNT) : 0;
  return Array.from({ length: count }, (_, at): Found[] => {
    const parts = /^([^.]+)\.(?:(.*)\.)?([^.]+)$/s.exec(env[`GIT_CONFIG_KEY_${at}`] ?? "");
    if (!parts) return [];
    const [, section = "", subsection, key = ""] = parts;
    return [
      {
        where: `GIT_CONFIG_KEY_${at}`,
        section: section.toLowerCase(),
        subsection,
        key: key.toLowerCase(),
        value: env[`GIT_CONFIG_VALUE_${at}`] ?? "",
      },
    ];
  }).flat();
}

/** The address that is replaced may hold a login too, as it was written in somebody's remote. */
function cleanPrefix(text: string): string {
  return text.replace(/^(https?:\/\/)[^/@]*@/i, "$1");
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
