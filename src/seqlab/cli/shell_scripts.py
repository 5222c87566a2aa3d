"""Scripts by which a shell asks `seqlab completion` what may follow; otherwise it completes paths."""

from __future__ import annotations

from collections.abc import Mapping

# No `mapfile` and no required `compopt`: the bash of macOS is of version 3.
_BASH = """\
_seqlab() {
  local found
  COMPREPLY=()
  while IFS= read -r found; do
    COMPREPLY+=("$found")
  done < <("$1" completion bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -o bashdefault -o default -F _seqlab seqlab"""

_ZSH = """\
#compdef seqlab
_seqlab() {
  local found
  local -a whole open
  for found in "${(@f)$(${words[1]} completion zsh "${(j: :)words[1,CURRENT]}" 2>/dev/null </dev/null)}"; do
    if [[ -z $found ]]; then
      continue
    elif [[ ${found%%:*} == *= ]]; then
      open+=("$found")
    else
      whole+=("$found")
    fi
  done
  if (( $#whole + $#open )); then
    (( $#whole )) && _describe -t words word whole
    (( $#open )) && _describe -t settings setting open -S ''
  else
    compset -P '*='
    _files
  fi
}
if [[ "$funcstack[1]" == _seqlab ]]; then
  _seqlab "$@"
else
  compdef _seqlab seqlab
fi"""

_FISH = """\
function __seqlab_candidates
    set -l found (seqlab completion fish (commandline -cp | string collect) 2>/dev/null </dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        set -l key (string match -r '^[^=/]*=' -- (commandline -ct))
        for path in (__fish_complete_path (string replace -- "$key" '' (commandline -ct)))
            printf '%s%s\\n' "$key" $path
        end
    end
end
complete -c seqlab -f -a '(__seqlab_candidates)'"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""By shell."""
