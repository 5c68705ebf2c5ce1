# Completes `cargo xtask ...`; everything else stays with cargo's own completion.
# In ~/.zshrc, after compinit:  source <(cargo xtask completions zsh)
_cargo_with_xtask() {
  if [[ ${words[2]} != xtask ]] || (( CURRENT < 3 )); then
    (( $+functions[_cargo] )) || autoload -Uz _cargo
    _cargo "$@"
    return
  fi
  local folder=$PWD
  while [[ -n $folder && ! -x $folder/target/debug/xtask ]]; do folder=${folder%/*}; done
  [[ -n $folder ]] || return 1
  local -a found
  found=(${(f)"$($folder/target/debug/xtask complete -- "${(@)words[3,CURRENT]}" 2>/dev/null)"})
  compadd -a found
}
compdef _cargo_with_xtask cargo
