import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import { sandboxEnvironment } from "./environment.ts";
import type { Surroundings } from "./sandbox.ts";

/** Variables that mean something before the command begins, or decide what it starts and where that connects. */
const reserved: readonly [names: RegExp, why: string][] = [
  [
    /^(_|UID|EUID|PPID|PS[0-4]|IFS|ENV|PWD|OLDPWD|SHLVL|(S?RANDOM)|SECONDS|LINENO|GROUPS|FUNCNAME|DIRSTACK|PIPESTATUS|REPLY|TMOUT|CDPATH|GLOBIGNORE|POSIXLY_CORRECT)$/,
    "the shell has its own meaning for it",
  ],
  [
    /^(BASH.*|SHELLOPTS|COMP_.*|HIST(CMD|CHARS|CONTROL|FILE(SIZE)?|IGNORE|SIZE|TIMEFORMAT)|EPOCH.*|OPT(ARG|ERR|IND)|LC_.*|airlock_.*)$/i,
    "the shell has its own meaning for it",
  ],
  [/^(LD_.*|GCONV_PATH|LOCPATH|GLIBC_TUNABLES|MALLOC_.*)$/, "the dynamic linker reads it"],
  [
    /^((https?|ftp|all|no|npm_config_(https_)?|cargo_http_|pip_)_?proxy|NODE_USE_ENV_PROXY|NODE_TLS_REJECT_UNAUTHORIZED|NODE_EXTRA_CA_CERTS|SSL_CERT_.*|.*_CA_BUNDLE|.*_CAINFO|PIP_CERT|UV_NATIVE_TLS)$/i,
    "it decides where programs connect, and whom they trust",
  ],
  [
    /^(npm_config_.*|pip_.*|uv_.*|cargo_(home|net_.*|http_.*|target_.*|build_.*)|go(proxy|sumdb|nosumdb|nosumcheck|noproxy|private|insecure|env|flags|path|root|bin|toolchain|auth|vcs|cache|modcache)|git_(config.*|ssh.*|exec_path|dir|work_tree|proxy.*|ssl_.*|askpass|editor|pager))$/i,
    "it decides what package clients do",
  ],
  [
    /^(NODE_(OPTIONS|PATH|REPL.*|DEBUG.*|V8_.*|COMPILE_CACHE)|PYTHON[A-Z]+|PERL5.*|PERLLIB|RUBY(OPT|LIB)|_?JAVA_.*OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH|RUSTC.*|MAKEFLAGS|EDITOR|VISUAL|PAGER|BROWSER|SSH_ASKPASS)$/,
    "it decides what programs are started",
  ],
];

const own = new Set(Object.keys(sandboxEnvironment([], false)));

/** Why no secret can be in an environment variable of this name; undefined: it can. */
export function secretVariableProblem(name: string): string | undefined {
  if (own.has(name)) return "every sandbox sets it";
  return reserved.find(([names]) => names.test(name))?.[1];
}

/** Throws `invalid_request`, naming the variable and never its value, for what cannot be handed to a command. */
export function refuseSecrets(
  secrets: Readonly<Record<string, string>>,
  { environment, network }: Surroundings,
): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(secrets)) {
    bytes += Buffer.byteLength(value);
    const problem = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      ? "expected letters, digits and _"
      : value.includes("\0")
        ? "its value has a NUL"
        : Object.hasOwn(environment, name) || Object.hasOwn(network?.environment ?? {}, name)
          ? "this call sets it already"
          : secretVariableProblem(name);
    if (problem !== undefined) {
      const variable = JSON.stringify(name);
      throw new Problem("invalid_request", `Cannot put a secret into ${variable}: ${problem}`);
    }
  }
  if (bytes <= limits.secretEnvironmentBytes) return;
  const most = `expected at most ${limits.secretEnvironmentBytes}`;
  throw new Problem("invalid_request", `The secrets of the call have ${bytes} bytes, ${most}`);
}
