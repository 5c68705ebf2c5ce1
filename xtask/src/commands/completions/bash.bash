# Completes `cargo xtask ...`; everything else stays with the completion that cargo had before.
# In ~/.bashrc, after cargo's own:  source <(cargo xtask completions bash)
_xtask_before=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
[[ $_xtask_before == _cargo_with_xtask ]] && _xtask_before=""

_xtask_binary() {
  local folder=$PWD
  while [[ $folder ]]; do
    if [[ -x $folder/target/debug/xtask ]]; then
      printf '%s' "$folder/target/debug/xtask"
      return
    fi
    folder=${folder%/*}
  done
}

_cargo_with_xtask() {
  if [[ ${COMP_WORDS[1]} != xtask || $COMP_CWORD -lt 2 ]]; then
    [[ -z $_xtask_before ]] || "$_xtask_before" "$@"
    return
  fi
  local binary
  binary=$(_xtask_binary)
  [[ $binary ]] || return
  mapfile -t COMPREPLY < <("$binary" complete -- "${COMP_WORDS[@]:2:COMP_CWORD-1}" 2>/dev/null)
}

complete -F _cargo_with_xtask cargo
