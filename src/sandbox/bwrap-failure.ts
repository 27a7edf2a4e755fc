import { Problem } from "../contract/problem.ts";

const remedies: [RegExp, string][] = [
  [
    /setting up uid map: Permission denied|RTM_NEWADDR: Operation not permitted/,
    "Unprivileged user namespaces are restricted here (Ubuntu's AppArmor does this): use the " +
      "distribution's /usr/bin/bwrap and install its profile bwrap-userns-restrict",
  ],
  [
    /No permissions to create (a )?new namespace|new namespace failed: Operation not permitted/,
    "Namespaces are forbidden here: allow user namespaces (in a container: a seccomp profile " +
      "that allows unshare, clone and mount), or start the gateway outside the container",
  ],
  [
    /nesting depth|max_\*?_?namespaces|No space left on device/,
    "Raise /proc/sys/user/max_user_namespaces, or start the gateway outside the nested namespace",
  ],
  [
    /Can't mount proc/,
    "The container masks /proc: start it with an unmasked /proc " +
      "(Docker: --security-opt systempaths=unconfined)",
  ],
  [
    /Can't find source path .*Permission denied|Can't get type of source .*Permission denied/,
    "Every directory above the data directory and the toolchains must be passable for the uid " +
      "of a run",
  ],
  [/Unknown option|expected one of/, "Install bubblewrap 0.8.0 or later"],
  [
    /Cannot fork|Resource temporarily unavailable/,
    "Raise the process limit of the run or of the host",
  ],
];

/**
 * A sandbox that never came to be, with what bwrap said and what to do about it. It is never a
 * command's exit code.
 */
export function sandboxFailure(stderr: string, ending: string): Problem {
  const said = stderr.trim().split("\n").at(-1)?.slice(0, 500) ?? "";
  const remedy = remedies.find(([pattern]) => pattern.test(stderr))?.[1];
  const reason = said === "" ? ending : `${ending}, saying ${JSON.stringify(said)}`;
  return new Problem(
    "sandbox_unavailable",
    `Cannot start a sandbox: ${reason}. ` +
      (remedy ?? "Run airlock doctor to see what this host lacks"),
  );
}
