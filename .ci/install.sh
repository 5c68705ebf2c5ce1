# shellcheck shell=bash
# What a machine needs before it can check anything. Each function does nothing when its tool is
# there already, so that a step may simply ask for what it uses.
set -euo pipefail

readonly CARGO_DENY_VERSION=0.20.2
readonly TERRAFORM_MINIMUM=1.11

# The folder of unpacked Terraform providers, where the machine has one.
PROVIDER_MIRROR=""

step_system_packages() {
  local missing=()
  have git || missing+=(git)
  have cc || missing+=(gcc)
  if [[ $OSTYPE == linux* ]]; then
    # The image's binary is linked statically: the archive is needed, not just the shared library.
    [[ $(cc -print-file-name=libc.a 2>/dev/null) == /* ]] || missing+=(libc6-dev)
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
    # One of the ways in which the sandbox keeps tasks apart without Docker.
    have bwrap || missing+=(bubblewrap)
  fi
  # The tests look at the terminal's view and at the report as people do.
  have tmux || missing+=(tmux)
  # Their completions are tested in the shells themselves.
  have zsh || missing+=(zsh)
  have fish || missing+=(fish)
  have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
  # A second registry to push the image to, and a second program to look at it.
  have skopeo || missing+=(skopeo)
  if ! have docker-registry; then
    keep_from_starting docker-registry.service
    missing+=(docker-registry)
  fi
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
  install_packages "${missing[@]}"
  allow_user_namespaces
}

# Debian starts a service as it installs it, and this one on every address of the machine: the tests
# start their own.
keep_from_starting() {
  [[ -d /run/systemd/system ]] || return 0
  note "masking $1 (systemctl unmask $1 undoes it)"
  as_root systemctl mask "$1"
}

# Ubuntu keeps user namespaces from programs that have no profile. Only a machine that is thrown away
# is changed; elsewhere the tests of user namespaces say what is missing.
allow_user_namespaces() {
  local restricted=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
  if [[ -n ${CI:-} && -e $restricted && $(<$restricted) != 0 ]]; then
    as_root sysctl --quiet --write kernel.apparmor_restrict_unprivileged_userns=0
  fi
}

step_rust_toolchain() {
  local channel
  channel="$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)"
  have cargo || die "cargo is not on PATH: Rust $channel is needed" \
    "Debian's own Rust is too old; rustup (https://rustup.rs) reads rust-toolchain.toml by itself"

  if ! rustc --version 2>/dev/null; then
    # A machine without access to Rust's own servers may hold the right version as `stable`.
    if RUSTUP_TOOLCHAIN=stable rustc --version 2>/dev/null | grep -F "rustc $channel "; then
      export RUSTUP_TOOLCHAIN=stable
    else
      rustup toolchain install "$channel" --profile minimal --component clippy,rustfmt
    fi
  fi
  cargo fmt --version
  cargo clippy --version
}

step_python_tools() {
  ensure_python_tools
  jactionlint --version | head -n 1
  ruff --version
  shellcheck --version | sed -n 's/^version:/shellcheck/p'
  zizmor --version
}

step_docker_engine() {
  if ! docker_answers; then
    if ! have dockerd; then
      # Debian only recommends the mounting of control groups, as systemd does that too.
      install_packages docker.io cgroupfs-mount
    fi
    start_docker
  fi
  docker version --format 'client {{.Client.Version}}, engine {{.Server.Version}}'
}

ensure_python_tools() {
  ensure_venv .ci/requirements.txt
}

ensure_checkov() {
  ensure_venv .ci/checkov.txt
}

# A virtual environment with exactly the files that a list names by hash, and on PATH.
ensure_venv() {
  local hash venv list="$1"
  hash="$(git hash-object "$list")"
  venv="$CACHE/python-${hash:0:16}"
  if [[ ! -e $venv/complete ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-deps --only-binary :all: --require-hashes \
      --requirement "$list"
    # An install that was interrupted must not look like a finished one.
    touch "$venv/complete"
  fi
  PATH="$venv/bin:$PATH"
}

ensure_debootstrap() {
  local missing=()
  have debootstrap || missing+=(debootstrap)
  # Ubuntu has Debian's keys in a package of their own.
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
  install_packages "${missing[@]}"
}

ensure_cargo_deny() {
  local root="$CACHE/cargo-deny-$CARGO_DENY_VERSION"
  if [[ ! -x $root/bin/cargo-deny ]]; then
    note "building cargo-deny $CARGO_DENY_VERSION: minutes, once per machine"
    # The tool must not be built with, or into, what belongs to the workspace.
    (
      cd "$SCRATCH"
      # It runs for seconds, and would be optimised for minutes.
      CARGO_TARGET_DIR="$SCRATCH/cargo-deny" CARGO_PROFILE_DEV_DEBUG=false \
        cargo install --quiet --locked --debug \
        --root "$root" "cargo-deny@$CARGO_DENY_VERSION"
    )
    rm -rf "$SCRATCH/cargo-deny"
  fi
  PATH="$root/bin:$PATH"
}

ensure_terraform() {
  local wanted="Terraform $TERRAFORM_MINIMUM or newer is needed"
  local where="https://developer.hashicorp.com/terraform/install, or your package manager"
  have terraform || die "terraform is not on PATH: $wanted" "$where"
  local version
  version="$(terraform version | sed -n '1s/^Terraform v//p')"
  printf '%s\n' "$TERRAFORM_MINIMUM" "$version" | sort -V -C ||
    die "terraform $version is too old: $wanted" "$where"

  local folder
  for folder in ~/.terraform.d/plugins /usr/local/share/terraform/plugins \
    /usr/share/terraform/plugins /opt/*; do
    if [[ -d $folder/registry.terraform.io ]]; then
      PROVIDER_MIRROR="$folder"
      break
    fi
  done
  note "terraform $version, providers from ${PROVIDER_MIRROR:-the registry}"
}

install_packages() {
  (($#)) || return 0
  have apt-get || die "missing: $*" "install them, or run on Debian or Ubuntu"
  note "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq -o Acquire::Retries=3 update
  as_root apt-get -qq -o Acquire::Retries=3 install --yes --no-install-recommends "$@" </dev/null
}

docker_answers() {
  docker info >/dev/null 2>&1
}

start_docker() {
  local log=/var/log/dockerd-ci.log
  if [[ -d /run/systemd/system ]]; then
    as_root systemctl start docker
    log=/dev/null
  else
    # It must outlive this script: the tests' containers, and the next run, use the same engine.
    as_root setsid sh -c "exec dockerd >'$log' 2>&1 </dev/null" &
    disown
  fi
  local deadline=$((SECONDS + 60))
  until docker_answers; do
    if ((SECONDS > deadline)); then
      if [[ $log == /dev/null ]]; then
        as_root journalctl --unit docker --lines 40 --no-pager >&2
      else
        tail -n 40 "$log" >&2
      fi
      docker info >&2 || true
      die "the Docker Engine did not answer within 60 s"
    fi
    sleep 0.5
  done
}
