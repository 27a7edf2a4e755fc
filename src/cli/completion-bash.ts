import type { CompletedCommand } from "./completion.ts";
import { shellTables } from "./completion-tables.ts";

/**
 * For bash 3.2 and newer, without the package bash-completion. It walks over the line to find the command and whether a
 * value is expected, by the same tables as the other shells.
 */
export function bashCompletion(commands: CompletedCommand[]): string {
  return `# bash completion of airlock; load it with: source <(airlock completion bash)
${shellTables(commands)}
_airlock() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' expected='' words='' word at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    # bash splits --flag=value into three words.
    if [[ $word == '=' ]]; then continue; fi
    if [[ -n $expected ]]; then expected=''; continue; fi
    case $word in
      --) path='--'; break ;;
      -*) expected=$(_airlock_value "$path" "$word") ;;
      *) if _airlock_is_command "$path" "$word"; then path=\${path:+$path }$word; fi ;;
    esac
  done
  if [[ $current == '=' ]]; then current=''; fi
  if [[ -z $expected && $current == -* ]]; then words=$(_airlock_flags "$path")
  elif [[ -z $expected ]]; then
    words=$(_airlock_commands "$path")
    if [[ -z $words ]]; then expected=$(_airlock_args "$path"); fi
  fi
  case $expected in
    '' | @any) ;;
    @file) compopt -o filenames 2>/dev/null; words=''
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
      return ;;
    @directory) compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$current")
      return ;;
    *) words=$expected ;;
  esac
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}
complete -F _airlock airlock
`;
}
