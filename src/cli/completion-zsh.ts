import type { CompletedCommand } from "./completion.ts";
import { shellTables } from "./completion-tables.ts";

/** For zsh 5 and newer, as a file `_airlock` in `fpath`, or loaded once compinit has run. */
export function zshCompletion(commands: CompletedCommand[]): string {
  return `#compdef airlock
# zsh completion of airlock; save it as _airlock in a directory of your fpath
${shellTables(commands)}
_airlock() {
  local current=$words[CURRENT] place='' expected='' word at
  for ((at = 2; at < CURRENT; at++)); do
    word=$words[at]
    if [[ -n $expected ]]; then expected=''; continue; fi
    case $word in
      --) place='--'; break ;;
      -*=*) ;;
      -*) expected=$(_airlock_value "$place" "$word") ;;
      *) if _airlock_is_command "$place" "$word"; then place=\${place:+$place }$word; fi ;;
    esac
  done
  if [[ -z $expected && $current == --*=* ]]; then
    expected=$(_airlock_value "$place" "\${current%%=*}")
    compset -P '*='
  elif [[ -z $expected && $current == -* ]]; then expected=$(_airlock_flags "$place")
  elif [[ -z $expected ]]; then
    expected=$(_airlock_commands "$place")
    if [[ -z $expected ]]; then expected=$(_airlock_args "$place"); fi
  fi
  case $expected in
    '' | @any) return 1 ;;
    @file) _files ;;
    @directory) _files -/ ;;
    *) compadd -- \${=expected} ;;
  esac
}
if [[ $funcstack[1] == _airlock ]]; then _airlock "$@"; else compdef _airlock airlock; fi
`;
}
