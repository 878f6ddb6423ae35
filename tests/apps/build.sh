#!/usr/bin/env bash
# Builds the test apps: static programs for the test device.
#
# usage: tests/apps/build.sh [--arm64] [--out DIR]
#
# What scripts/device takes is then in DIR (target/apps/world unless told): scripts/device up --with target/apps/world
#   binder-world            all servers and clients, see binder-world --help
#   init.d/world.sh         starts the servers at boot
# cargo's own output is in target/apps, so that a cache of target/ keeps it. --arm64 needs rustup's target
# aarch64-unknown-linux-gnu and a linker for it.
set -euo pipefail
apps=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$apps/../.." && pwd)
triple=x86_64-unknown-linux-gnu
target=${CARGO_TARGET_DIR:-$repository/target}/apps
out=$target/world
while [ $# -gt 0 ]; do
    case $1 in
        --arm64) triple=aarch64-unknown-linux-gnu ;;
        --out) out=${2:?--out needs a directory} && shift ;;
        -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
        *) echo "tests/apps/build.sh: unknown: $1" >&2 && exit 64 ;;
    esac
    shift
done

# With the triple named the flags are not for what runs while building, which loads procedural macros.
RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$target cargo build --release --locked --target "$triple" \
    --manifest-path "$apps/Cargo.toml"
mkdir -p "$out/init.d"
install -m 755 "$target/$triple/release/binder-world" "$out/binder-world"
install -m 755 "$apps/start-world.sh" "$out/init.d/world.sh"
echo "$out"
