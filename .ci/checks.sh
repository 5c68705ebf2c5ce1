# shellcheck shell=bash
# The checks themselves, one function a step.
set -euo pipefail

step_rustfmt() {
  cargo fmt --all --check
}

step_terraform_fmt() {
  ensure_terraform
  terraform fmt -check -diff -recursive infra
}

step_shellcheck() {
  ensure_python_tools
  local scripts
  mapfile -t scripts < <(shell_scripts)
  printf '%s\n' "${scripts[@]}"
  shellcheck --external-sources "${scripts[@]}"
}

step_actionlint() {
  ensure_python_tools
  # A workflow's `run:` blocks are checked by the shellcheck beside it on PATH.
  jactionlint --strict-exit
  note "the workflows are well formed"
}

step_zizmor() {
  ensure_python_tools
  zizmor --offline --persona pedantic .github
}

step_ruff() {
  ensure_python_tools
  ruff check --config .ci/ruff.toml --no-cache .
  ruff format --config .ci/ruff.toml --no-cache --check --diff .
}

# A copy is validated, so that the tree stays free of `.terraform` folders and changed lock files.
step_terraform_validate() {
  ensure_terraform
  local copy="$SCRATCH/infra" folders folder lock options
  mapfile -t folders < <(terraform_folders)
  ((${#folders[@]})) || die "infra holds no Terraform at all"
  cp -R infra "$copy"
  find "$copy" -type d -name .terraform -prune -exec rm -rf {} +
  # For this step alone: inits side by side, as in the tests, must not share such a folder.
  local -x TF_PLUGIN_CACHE_DIR="$CACHE/terraform-providers"
  mkdir -p "$TF_PLUGIN_CACHE_DIR"

  for folder in "${folders[@]}"; do
    note "$folder"
    options=(-backend=false -input=false)
    [[ -z $PROVIDER_MIRROR ]] || options+=(-plugin-dir="$PROVIDER_MIRROR")
    if is_terraform_root "$folder"; then
      [[ -e $folder/.terraform.lock.hcl ]] ||
        die "$folder has no .terraform.lock.hcl" \
          "commit the one that \`terraform -chdir=$folder providers lock\` writes"
      options+=(-lockfile=readonly)
    else
      # A module has no lock file of its own; it is checked with the providers of the roots.
      lock="$(find infra -name .terraform.lock.hcl -not -path '*/.terraform/*' | sort | head -n 1)"
      [[ -z $lock ]] || cp "$lock" "$copy/${folder#infra/}/.terraform.lock.hcl"
    fi
    # Silent unless it fails.
    terraform -chdir="$copy/${folder#infra/}" init -no-color "${options[@]}" \
      >"$SCRATCH/init.log" 2>&1 ||
      { cat "$SCRATCH/init.log" && die "terraform init failed in $folder"; }
    terraform -chdir="$copy/${folder#infra/}" validate -no-color
  done
  rm -rf "$copy"
}

# What is skipped is said where it is, as `#checkov:skip=ID:REASON`: a reason is asked for.
step_checkov() {
  ensure_checkov
  if grep -rnE --include='*.tf' 'checkov:skip=[A-Z0-9_]+(:[[:space:]]*)?$' infra; then
    die "these skips have no reason" "write it after the check's name: #checkov:skip=CKV_AWS_1:the reason"
  fi
  # Nothing is sent anywhere, and no server is asked for its opinion of the findings.
  checkov --directory infra --framework terraform --quiet --compact --skip-download
}

step_cargo_deny() {
  ensure_cargo_deny
  cargo deny --locked --all-features check licenses bans sources
}

step_advisories() {
  ensure_cargo_deny
  cargo deny --locked --all-features check advisories
}

step_zizmor_online() {
  ensure_python_tools
  zizmor --persona pedantic .github
}

# The time of a first `cargo xtask` is a promise of this repository; the tests then use this build.
step_xtask_cold_build() {
  local target="${CARGO_TARGET_DIR:-target}" started state=cold
  [[ ! -d $target/debug ]] || state="warm ($target/debug was there before)"
  # The download is the network's time, not the compiler's.
  cargo fetch --locked
  started=$SECONDS
  cargo build --locked --package xtask
  report "cargo xtask, $state build: $((SECONDS - started)) s"
}

step_clippy() {
  cargo clippy --locked --workspace --all-targets -- -D warnings
}

# Apart from `test`, so that compiling and running are timed each on its own.
step_build_tests() {
  cargo test --workspace --no-run
}

# Exactly the README's command.
step_test() {
  cargo test --workspace && return
  show_sandbox_warnings
  return 1
}

# What the sandboxes of the tests noticed is gone with the machine, and may be why a test failed.
show_sandbox_warnings() {
  local log
  for log in "${TMPDIR:-/tmp}"/xtask-it-*/*/target/xtask/sandbox/ministack.log; do
    [[ -e $log ]] || continue
    note "the starts and warnings in $log:"
    grep -E ' (WARNING|ERROR) |Ready|SIGTERM|Traceback' "$log" | tail -n 40 || true
  done
}

# The README's commands where nothing but Rust, git and Python is installed. Everything is built anew
# there, so it comes last.
step_bare_machine() {
  if [[ $OSTYPE != linux* ]]; then
    note "a bare Debian needs Linux: left to the machines that have it"
    return
  fi
  ensure_debootstrap
  # The round with Docker differs in one program that the tests have as well: once a week is enough.
  if [[ -n ${BARE_MACHINE_TESTS:-} ]]; then
    bash .ci/bare-machine
  else
    bash .ci/bare-machine without-docker
  fi
}

# By suffix or by first line: the scripts here have no common suffix.
shell_scripts() {
  local file first
  while IFS= read -r -d '' file; do
    [[ -f $file ]] || continue
    first=""
    IFS= read -r first <"$file" 2>/dev/null || true
    if [[ $file == *.sh || $first =~ ^#!.*(bash|/sh|env\ sh)$ ]]; then
      printf '%s\n' "$file"
    fi
  done < <(git ls-files -z --cached --others --exclude-standard)
}

terraform_folders() {
  find infra -name '*.tf' -not -path '*/.terraform/*' -exec dirname {} + | sort -u
}

is_terraform_root() {
  grep -qsE '^[[:space:]]*backend "|^provider "' "$1"/*.tf
}
