/**
 * A shell that makes starters, one after the other: processes that wait in control groups of their own to become one bwrap.
 * The gateway is large, and copying it for a new process takes the kernel milliseconds; this is small.
 *   sh -c <script> sh <bwrap> <directory of its pipes> <setpriv>
 * It reads orders: the number of groups, and the directory of each on a line of its own. It answers with the starter's pid, or
 * `failed`, and when that one has ended with `over <exit code>`. A starter takes its own order from descriptor 6, before
 * the launcher takes its command from there.
 */
export const starterScript = `
bwrap=$1; at=$2; setpriv=$3
# What a sandbox begins with can be read inside. bash adds variables of its own to what it starts, and can be told not to.
unset PWD OLDPWD; clear=; [ -z "\${BASH_VERSION:-}" ] || clear=-c
become() {
  exec 8>&1; trap 'echo failed >&8' EXIT
  while [ "$groups" -gt 0 ]; do
    IFS= read -r group && echo 0 >"$group/cgroup.procs" || exit 125
    groups=$((groups - 1))
  done
  exec 3<"$at/seccomp" 4<"$at/args" 5<>"$at/status" 6<"$at/hear" 7>"$at/say" || exit 125
  exec </dev/null >"$at/stdout" 2>"$at/stderr" || exit 125
  read -r pid rest </proc/self/stat || exit 125
  # The gateway closes its own copies now, so all of them must be open by now.
  trap - EXIT; echo "$pid" >&8; exec 8>&-
  IFS=" " read -r order uid gid words <&6 && [ "$order" = start ] || exit 125
  [ "$uid" != - ] || exec $clear "$bwrap" --args 4 -- /airlock/exec $words
  exec $clear "$setpriv" --reuid "$uid" --regid "$gid" --clear-groups -- \\
    "$bwrap" --args 4 -- /airlock/exec $words
}
while IFS= read -r groups; do
  (become)
  echo "over $?"
done
`;
