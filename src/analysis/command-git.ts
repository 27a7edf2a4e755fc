import { valuesOf } from "./command-runners.ts";
import { runCarried } from "./command-shells.ts";
import { type Frame, partOf, type Reader, type ShellWord } from "./shell-reading.ts";

/** Settings whose value git runs. */
const running =
  /^(core\.(pager|editor|sshcommand|fsmonitor|askpass|gitproxy|alternaterefscommand)|alias\..*|pager\..*|credential\..*helper|credential\.helper|diff\.external|diff\..*\.(command|textconv)|filter\..*\.(clean|smudge|process)|merge\..*\.driver|(diff|merge)tool\..*\.(cmd|path)|gpg\..*program|gpg\.program|sequence\.editor|interactive\.difffilter|uploadpack\.packobjectshook|receive\.procreceiverefs|remote\..*\.(uploadpack|receivepack|vcs)|sendemail\..*cmd|trailer\..*\.(command|cmd)|browser\..*\.cmd|man\..*\.cmd|web\.browser|gc\.recentobjectshook|submodule\..*\.update)$/;

/** Settings that let git run what lies somewhere, or speak through a program. */
const opening =
  /^(core\.hookspath|protocol\..*|include\.path|includeif\..*|init\.templatedir|url\..*)$/;

/** Commands of git that start what follows or what an option names. */
const subcommands: Readonly<Record<string, readonly string[]>> = {
  rebase: ["-x", "--exec"],
  grep: ["-O", "--open-files-in-pager"],
  difftool: ["-x", "--extcmd"],
  "filter-branch": [
    ...["--env-filter", "--tree-filter", "--index-filter", "--parent-filter", "--msg-filter"],
    ...["--commit-filter", "--tag-name-filter", "--setup"],
  ],
  clone: ["-u", "--upload-pack"],
  fetch: ["--upload-pack"],
  pull: ["--upload-pack"],
  "ls-remote": ["--upload-pack", "--exec"],
  push: ["--receive-pack", "--exec"],
  archive: ["--exec"],
};

/** Reads what git is told to run: by settings, by options of its commands, by `git bisect run` and `submodule foreach`. */
export function readGit(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  let index = 1;
  for (; index < words.length; index += 1) {
    const word = words[index];
    if (word === undefined || !word.text.startsWith("-")) break;
    const next = words[index + 1];
    if (word.text === "-c") {
      if (next !== undefined) readSetting(next, frame, reader);
      index += 1;
    } else if (/^(-C|--git-dir|--work-tree|--namespace|--super-prefix)$/.test(word.text))
      index += 1;
    else if (/^--(exec-path=|config-env)/.test(word.text)) {
      reader.opaque(word, "git starts what it finds there");
    }
  }
  const command = words[index];
  if (command === undefined) return;
  const rest = words.slice(index);
  const names = Object.hasOwn(subcommands, command.text) ? subcommands[command.text] : undefined;
  for (const value of valuesOf(rest, names ?? [])) {
    runCarried(value, `git ${command.text}`, frame, reader);
  }
  if (command.text === "clone" || command.text === "submodule") {
    for (const value of valuesOf(rest, ["-c", "--config"])) readSetting(value, frame, reader);
  }
  const transport = rest.find(({ text }) => /^ext::/.test(text));
  if (transport !== undefined) reader.opaque(transport, "git starts the command of this address");
  if (command.text === "config") readConfig(rest, frame, reader);
  const isBisect = command.text === "bisect" && rest[1]?.text === "run";
  if (isBisect) reader.resolve(rest.slice(2), { ...frame, via: [...frame.via, "git bisect run"] });
  const foreach = rest.findIndex(({ text }) => text === "foreach");
  if (command.text === "submodule" && foreach > 0)
    readForeach(rest.slice(foreach + 1), frame, reader);
}

/** `NAME=VALUE`, as after `git -c`. */
function readSetting(setting: ShellWord, frame: Frame, reader: Reader): void {
  const equals = setting.fixed.indexOf("=");
  const name = equals === -1 ? setting.fixed : setting.fixed.slice(0, equals);
  readNamed(name, { ...setting, text: setting.fixed.slice(equals + 1) }, frame, reader);
}

function readNamed(name: string, value: ShellWord, frame: Frame, reader: Reader): void {
  const key = name.toLowerCase();
  if (opening.test(key) || (value.dynamic && (key === "" || running.test(key)))) {
    reader.opaque(value, `What git does with ${name === "" ? "this" : name} is not known`);
    return;
  }
  if (!running.test(key) || value.dynamic) return;
  const isAlias = key.startsWith("alias.");
  // An alias is a command of git, unless it begins with an exclamation mark.
  if (isAlias && !value.text.startsWith("!")) return;
  const text = value.text.replace(/^!/, "");
  if (text !== "" && !/^(true|false)$/.test(text)) {
    runCarried(partOf(value, text), `git -c ${name}`, frame, reader);
  }
}

function readConfig(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const operands = words.slice(1).filter(({ text }) => !text.startsWith("-"));
  const [first, second, third] = operands;
  const isSet = first?.text === "set";
  const name = isSet ? second : first;
  const value = isSet ? third : second;
  if (name !== undefined && value !== undefined) readNamed(name.fixed, value, frame, reader);
}

function readForeach(words: readonly ShellWord[], frame: Frame, reader: Reader): void {
  const given = words.filter(({ text }) => !text.startsWith("--"));
  const [first] = given;
  if (first === undefined) return;
  const text = given.map((word) => word.text).join(" ");
  const dynamic = given.some((word) => word.dynamic);
  runCarried({ ...partOf(first, text), dynamic }, "git submodule foreach", frame, reader);
}
