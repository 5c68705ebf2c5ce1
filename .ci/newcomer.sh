# shellcheck shell=bash
# What a newcomer types. `.ci/bare-machine` runs it in the bare machine, with the round as argument.
set -euo pipefail
round="$1"
cd

if [[ ! -d background-tasks ]]; then
  git config --global user.name "A Newcomer"
  git config --global user.email newcomer@example.org
  # It belongs to root.
  git config --global --add safe.directory /opt/passed-in/source.git
  git clone --quiet /opt/passed-in/source.git background-tasks
  # The folder's Terraform has no release of its own, so that nothing but the folder can serve it.
  read -r platform pin </opt/passed-in/pin
  sed -i -e '/^\[workspace.metadata.xtask.tools.terraform\]/,/^\[/s/^version = .*/version = "0.0.0-bare"/' \
    -e "/^\[workspace.metadata.xtask.tools.terraform.sha256\]/,/^\[/s/^$platform = .*/$platform = \"$pin\"/" \
    background-tasks/Cargo.toml
  git -C background-tasks commit --quiet --all --message "Pin the folder's Terraform"
fi
cd background-tasks

leave() {
  local code=$?
  if ((code != 0)); then
    # The machine goes away after this, with everything that it could be asked.
    tail -n 30 target/xtask/runs/*/*.txt target/xtask/sandbox/ministack.log >&2 || true
  fi
  # Its containers are another machine's.
  cargo xtask sandbox down >/dev/null 2>&1 </dev/null || true
}
trap leave EXIT

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# Says what is typed, and how long it took.
typed() {
  local started=$SECONDS code=0
  printf '$ %s\n' "$*"
  "$@" </dev/null || code=$?
  printf -- '-- exit code %s after %s s\n' "$code" "$((SECONDS - started))"
  return "$code"
}

! command -v terraform || fail "this machine has a Terraform of its own"
if [[ $round == without-docker ]]; then
  ! command -v docker || fail "this machine has Docker"
  wanted="engine process"
else
  wanted="engine docker"
fi

typed cargo xtask try my-new-task-name --sandbox | tee ~/output
grep -q 'Hello from your new background task!' ~/output || fail "the task's log is not on stdout"

code=0
typed cargo xtask try diagnose --sandbox -- --exit-code 3 || code=$?
((code == 3)) || fail "exit code $code instead of 3"

typed cargo xtask sandbox status | tee ~/output
grep -q "$wanted" ~/output || fail "no \`$wanted\`"
head -n 1 target/xtask/sandbox/ministack.log | tee ~/output
if [[ $round == without-docker ]]; then
  # The best that an ordinary user can have; a kernel that refuses it would test something weaker.
  grep -q 'user, mount and pid namespaces' ~/output || fail "no namespaces of their own"
fi

typed cargo xtask sandbox down

if [[ $round == without-docker && -n $BARE_MACHINE_TESTS ]]; then
  typed cargo test --workspace
fi
