# Shared by the scripts of this directory: progress, root, packages, the compiler. Sourced, not run.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
started_at=$SECONDS

# step TEXT: what is being done now, with the seconds since the script began.
step() { printf '\n\033[1m==> [%3ds] %s\033[0m\n' "$((SECONDS - started_at))" "$*" >&2; }

# die TEXT: stop, saying what is missing and how to get it.
die() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

# become_root "$@": run the script again as root when it is not. Tracing and namespaces need it.
become_root() {
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || die "this needs root (eBPF, network namespaces), and there is no sudo: run it as root"
    echo "This needs root (eBPF, network namespaces): going on with sudo." >&2
    exec sudo --preserve-env=CI,CARGO_HOME,RUSTUP_HOME,PATH,HOME,CARGO_TERM_COLOR -- bash "$0" "$@"
}

# need_packages COMMAND=PACKAGE...: install the Debian packages whose commands are not there.
need_packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%=*}" ] || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...: from Debian.
install_packages() {
    command -v apt-get >/dev/null || die "these Debian packages are missing and there is no apt-get to install them: $*"
    step "installing Debian packages: $*"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
        >/dev/null || die "cannot install $*; try: apt-get install $*"
}

# need_python_environments: a Python that can make environments with pip in them; Debian has that in a package of its own,
# which brings no command to look for.
need_python_environments() {
    need_packages python3=python3
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
}

# use_device: makes $work, a directory for this script, and sees to it that it goes when the script ends, together with the
# device of start_device and the process that the script may have put into $recorder.
use_device() {
    work=$(mktemp -d) device='' recorder=''
    trap end_device EXIT
    trap 'exit 130' INT TERM HUP
}

end_device() {
    [ -z "$recorder" ] || kill "$recorder" 2>/dev/null || true
    [ -z "$device" ] || "$repository/scripts/device" down -d "$device" >/dev/null 2>&1 || true
    rm -rf "$work"
}

# start_device ARGUMENTS...: scripts/device up; sets $device and CANDOR_DAEMON.
start_device() {
    local variable
    variable=$("$repository/scripts/device" up --no-default-socket "$@")
    eval "$variable"
    device=$(basename "$(dirname "${CANDOR_DAEMON#unix:}")")
}

# need_rust: a Rust compiler new enough for Cargo.toml's rust-version; Debian's own newest when there is none.
need_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
    have=$(cargo --version 2>/dev/null | awk '{print $2}')
    if [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
        need_packages rustc-web=rustc-web cargo-web=cargo-web
        have=$(cargo --version 2>/dev/null | awk '{print $2}')
        [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ] ||
            die "Rust $wanted or later is needed and ${have:-none} is installed: see https://rustup.rs"
    fi
    command -v cc >/dev/null || need_packages cc=gcc
}

# need_cross_compiler MACHINE: sets PATH and the variables of cargo and rustc so that both build for another machine. The standard
# library has to be that of exactly this compiler, and both come from Debian; the rustup on PATH has none for it.
need_cross_compiler() {
    local architecture
    case $1 in
    aarch64) architecture=arm64 ;;
    *) die "nothing is known about building for $1" ;;
    esac
    if ! { command -v "$1-linux-gnu-gcc" && [ -x /usr/bin/rustc ] && [ -d "/usr/lib/rustlib/$1-unknown-linux-gnu/lib" ]; } >/dev/null; then
        [ "$(id -u)" -eq 0 ] || die "building for $1 needs Debian packages: run scripts/build-device $1 once as root"
        dpkg --print-foreign-architectures | grep -qx "$architecture" || dpkg --add-architecture "$architecture"
        install_packages rustc-web cargo-web "libstd-rust-web-dev:$architecture" "gcc-$1-linux-gnu" "libc6-dev-$architecture-cross"
    fi
    export PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc
    local linker
    linker=CARGO_TARGET_$(tr '[:lower:]-' '[:upper:]_' <<<"$1-unknown-linux-gnu")_LINKER
    export "$linker=$1-linux-gnu-gcc"
    unset RUSTUP_TOOLCHAIN
}
