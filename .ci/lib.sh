# shellcheck shell=bash
# How steps are run and reported, and the folders that they share.
set -euo pipefail

# The names of the folders in it hold a version or a hash, so that nothing in it is ever stale.
# shellcheck disable=SC2034 # install.sh and checks.sh use it
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/background-tasks-ci"

current_step=""
step_started=0
finished_steps=()

start_reporting() {
  SCRATCH="$(mktemp -d)"
  readonly SCRATCH
  trap finish_reporting EXIT

  # Neither a prompt nor a progress bar helps a log file.
  export CARGO_TERM_PROGRESS_WHEN=never TF_IN_AUTOMATION=1 TF_INPUT=0 PIP_DISABLE_PIP_VERSION_CHECK=1
  if [[ -n ${CI:-} ]]; then
    # Every build here is a first build: incremental files would be written and never read.
    export CARGO_INCREMENTAL=0
  fi
  if [[ -n ${GITHUB_ACTIONS:-} ]]; then
    export CARGO_TERM_COLOR=always
  fi
  # Terraform warns on stderr at every call when this names a missing file.
  if [[ -n ${TF_CLI_CONFIG_FILE:-} && ! -e $TF_CLI_CONFIG_FILE ]]; then
    unset TF_CLI_CONFIG_FILE
  fi
}

# A step is the function of its name, with `_` for `-`. It must not be called under `if` or `||`:
# bash would then ignore each failure inside it but the last.
run_step() {
  current_step="$1"
  step_started=$SECONDS
  if [[ -n ${GITHUB_ACTIONS:-} ]]; then
    echo "::group::$current_step"
  else
    printf '\n==== %s\n' "$current_step"
  fi
  "step_${current_step//-/_}"
  local took="$((SECONDS - step_started)) s"
  if [[ -n ${GITHUB_ACTIONS:-} ]]; then
    echo "::endgroup::"
  fi
  printf -- '---- %s: %s\n' "$current_step" "$took"
  finished_steps+=("$(printf '%6s  %s' "$took" "$current_step")")
  current_step=""
}

finish_reporting() {
  local code=$?
  rm -rf "$SCRATCH"
  printf '\n'
  if ((${#finished_steps[@]})); then
    printf '%s\n' "${finished_steps[@]}"
  fi
  if ((code == 0)); then
    echo "CI passed in $SECONDS s"
    return
  fi
  if [[ -n ${GITHUB_ACTIONS:-} ]]; then
    echo "::endgroup::"
    echo "::error::CI failed in the step \`$current_step\`"
  fi
  echo "CI FAILED in the step \`$current_step\` after $((SECONDS - step_started)) s (exit code $code)"
  echo "hint: \`bash .ci/run $current_step\` runs this step alone"
}

note() {
  printf '%s\n' "$*"
}

# A figure that the list of the steps repeats at the end, where a log is read first.
report() {
  note "$*"
  finished_steps+=("          $*")
}

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  if (($#)); then
    printf 'hint: %s\n' "$@" >&2
  fi
  exit 1
}

have() {
  command -v "$1" >/dev/null 2>&1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}
