#!/usr/bin/env bash
# Builds the test apps: static programs for the test device.
#
# usage: tests/apps/build.sh [--arm64] [--out DIR] [--test]
#
# What scripts/device takes is then in DIR (target/apps/world unless told): scripts/device up --with target/apps/world
#   binder-world            all servers and clients, see binder-world --help
#   init.d/world.sh         starts the servers at boot
# cargo's own output is in target/apps, so that a cache of target/ keeps it. --arm64 needs rustup's target
# aarch64-unknown-linux-gnu and a linker for it. --test checks and tests the apps' own code as well.
set -euo pipefail
apps=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$apps/../.." && pwd)
triple=x86_64-unknown-linux-gnu
target=${CARGO_TARGET_DIR:-$repository/target}/apps
out=$target/world
test=
while [ $# -gt 0 ]; do
    case $1 in
        --arm64) triple=aarch64-unknown-linux-gnu ;;
        --test) test=yes ;;
        --out) out=${2:?--out needs a directory} && shift ;;
        -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
        *) echo "tests/apps/build.sh: unknown: $1" >&2 && exit 64 ;;
    esac
    shift
done

# With the triple named the flags are not for what runs while building, which loads procedural macros.
export RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$target
run() {
    local command=$1
    shift
    cargo "$command" --release --locked --target "$triple" --manifest-path "$apps/Cargo.toml" "$@"
}
run build >&2
if [ -n "$test" ]; then
    # With the same profile, so that nothing is built twice but what is checked.
    run test >&2
    run clippy --all-targets -- -D warnings >&2
    (cd "$apps" && cargo fmt --check) >&2
fi
mkdir -p "$out/init.d"
install -m 755 "$target/$triple/release/binder-world" "$out/binder-world"
install -m 755 "$apps/start-world.sh" "$out/init.d/world.sh"
echo "$out"
