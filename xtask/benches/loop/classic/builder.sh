#!/usr/bin/env bash
# The image that the classic chain compiles in, where a team says `FROM rust`: this machine's own
# compiler, linker and downloaded crates, so that all contenders have the same ones and nothing is
# pulled. Made once for each compiler, lock file and text of this script; prints its name.
set -euo pipefail
: "${ROOT:?}" "${TRIPLE:?}"

sysroot="$(rustc --print sysroot)"
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
key="$({ rustc -vV && cat "$ROOT/Cargo.lock" "$0"; } | sha256sum | cut -c1-12)"
name="xtask-bench-builder:$key"
if ! docker image inspect "$name" >/dev/null 2>&1; then
  (cd "$ROOT" && cargo fetch --quiet --locked --target "$TRIPLE")
  # The linker, what it links with and its headers, where the C compiler says that they are. Single
  # files of the big folders: some storage drivers look at each file of an image at every step.
  objects="$(dirname "$(realpath "$(cc -print-file-name=crt1.o)")")"
  headers="/usr/include/$(cc -print-multiarch)"
  paths=(/bin /lib /lib64 /usr/lib64 /usr/bin /etc/alternatives /usr/lib/gcc /usr/libexec/gcc)
  paths+=("${headers%/}" /usr/include/linux /usr/include/asm-generic)
  paths+=("$sysroot/bin" "$sysroot/lib" "$cargo_home/registry/cache" "$cargo_home/registry/index")
  # Where crates are replaced by a mirror's; not a configuration with a secret in it.
  if [[ -f "$cargo_home/config.toml" ]] && ! grep -q token "$cargo_home/config.toml"; then
    paths+=("$cargo_home/config.toml")
  fi
  there=()
  for path in "${paths[@]}"; do [[ ! -e "$path" ]] || there+=("${path#/}"); done
  mapfile -t files < <(find "$objects" /usr/include -maxdepth 1 -not -type d | cut -c2-)
  there+=("${files[@]}")
  tar -C / -c "${there[@]}" |
    docker import --change "ENV PATH=$sysroot/bin:/usr/bin:/bin CARGO_HOME=$cargo_home" - "$name" >&2
fi
printf '%s' "$name"
