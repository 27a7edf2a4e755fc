import { carried, type Frame, type Reader, type ShellWord } from "./shell-reading.ts";

/** Variables that hold a command which some program will run. */
const commandVariables = new Set([
  ...["GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR"],
  ...["GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH", "GIT_PROXY_COMMAND"],
  ...["PAGER", "MANPAGER", "SYSTEMD_PAGER", "EDITOR", "VISUAL", "BROWSER", "LESSOPEN"],
  ...["PROMPT_COMMAND", "RSYNC_RSH", "CVS_RSH", "TAR_OPTIONS"],
]);

/** Variables that make programs load code of somebody's choice. */
const loadingVariables =
  /^(LD_PRELOAD|LD_AUDIT|BASH_ENV|ENV|BASH_FUNC_.*|PYTHONSTARTUP|NODE_OPTIONS|PERL5OPT|PERL5DB|RUBYOPT|GIT_CONFIG_(KEY|VALUE|PARAMETERS).*|PS4|SHELLOPTS|BASHOPTS)$/;

/** Options of Node that load nothing, which people often set: its memory, its warnings, its source maps. */
const plainNodeOption =
  /^--(max-old-space-size|max-semi-space-size|max-http-header-size|stack-size|no-warnings|no-deprecation|disable-warning|trace-\w+|enable-source-maps|unhandled-rejections|openssl-legacy-provider|experimental-vm-modules)(=[\w-]*)?$/;

function isPlain(name: string, { dynamic, text }: ShellWord): boolean {
  const options = text.split(/\s+/).filter((option) => option !== "");
  return name === "NODE_OPTIONS" && !dynamic && options.every((one) => plainNodeOption.test(one));
}

/** Arithmetic runs what stands between these when it meets such a text as the name of a variable. */
function hidesSubstitution(text: string): boolean {
  const bracket = text.indexOf("[");
  return bracket !== -1 && (text.includes("$(", bracket) || text.includes("`", bracket));
}

/** Reads what is assigned to a variable, before a command, with `export` or `env`. */
export function readAssignment(name: string, value: ShellWord, frame: Frame, reader: Reader): void {
  if (loadingVariables.test(name) && value.fixed + value.text !== "" && !isPlain(name, value)) {
    reader.opaque(value, `${name} makes programs load what it names`);
  } else if (commandVariables.has(name)) {
    if (value.dynamic) reader.opaque(value, `${name} holds a command`);
    else if (value.text !== "") reader.readText(value.text, carried(frame, value, name));
  } else if (!value.dynamic && hidesSubstitution(value.text)) {
    reader.opaque(value, "Arithmetic would run the substitution in it");
  }
}

/** Builtins that take the name of a variable, and expand what stands in its brackets. */
const nameTakers = new Set(
  "let test [ unset printf read declare typeset local export readonly mapfile readarray wait".split(
    " ",
  ),
);

/** Marks words in which a builtin would run a substitution although it is quoted. */
export function checkNames(words: readonly ShellWord[], program: string, reader: Reader): void {
  if (!nameTakers.has(program)) return;
  for (const word of words) {
    if (!word.dynamic && hidesSubstitution(word.text)) {
      reader.opaque(word, `${program} would run the substitution in it`);
    }
  }
}
